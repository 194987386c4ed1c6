DELETE FROM agent_hub.transition AS t
USING unnest($1::uuid[]) AS a (agent_id)
CROSS JOIN LATERAL (
  SELECT k.time, k.seq
  FROM agent_hub.transition AS k
  WHERE k.agent_id = a.agent_id
  ORDER BY k.time DESC, k.seq DESC
  OFFSET $2 LIMIT 1) AS eldest
WHERE t.agent_id = a.agent_id AND (t.time, t.seq) <= (eldest.time, eldest.seq)
