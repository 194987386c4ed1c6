-- Agents, and open enrolments for other names.
SELECT (SELECT count(*) FROM agent_hub.agent WHERE remove_time IS NULL) +
       (SELECT count(*)
        FROM agent_hub.enrollment
        WHERE redeem_time IS NULL AND revoke_time IS NULL AND expire_time > $1 AND name <> $2)
