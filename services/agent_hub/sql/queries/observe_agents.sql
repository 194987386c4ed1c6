-- Answers with the agents whose observation counted: their session is not older than the known one. Arrays within a row come
-- as lines of one text.
UPDATE agent_hub.agent AS a
SET state = o.state, state_time = o.state_time, state_cause = o.state_cause, hub = o.hub,
    session_epoch = o.session_epoch, held_tasks = o.held_tasks, unavailable_reason = o.unavailable_reason,
    peer = coalesce(o.peer, a.peer),
    last_connect_time = coalesce(o.connect_time, a.last_connect_time),
    last_heartbeat_time = coalesce(o.heartbeat_time, a.last_heartbeat_time),
    capabilities = coalesce(string_to_array(o.capabilities, E'\n'), a.capabilities),
    said = coalesce(o.said, a.said)
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::smallint[], $5::timestamptz[], $6::text[], $7::integer[],
            $8::text[], $9::text[], $10::timestamptz[], $11::timestamptz[], $12::text[], $13::bytea[])
       AS o (agent_id, session_epoch, hub, state, state_time, state_cause, held_tasks, unavailable_reason, peer,
             connect_time, heartbeat_time, capabilities, said)
WHERE a.agent_id = o.agent_id AND a.remove_time IS NULL AND o.session_epoch >= a.session_epoch
RETURNING a.agent_id
