UPDATE task_queue.event_horizon h SET xid = m.xid, seq = m.seq
FROM (SELECT xid, seq FROM task_queue.event_log
      WHERE create_time >= $1::date::timestamp AT TIME ZONE 'UTC' AND create_time < ($1::date + 1)::timestamp AT TIME ZONE 'UTC'
      ORDER BY xid DESC, seq DESC LIMIT 1) m
WHERE (m.xid, m.seq) > (h.xid, h.seq)
