-- Twice the bound, since one batch may be under way.
SELECT 'agent ' || agent_id || ' has ' || count(*) || ' transitions'
FROM agent_hub.transition
GROUP BY agent_id
HAVING count(*) > 200
LIMIT 100
