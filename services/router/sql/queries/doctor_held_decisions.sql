SELECT 'the decision of task ' || d.task_id || ' generation ' || d.generation || ' is held and has no reservation'
FROM router.decision d
WHERE d.state = 1 AND NOT EXISTS (SELECT FROM router.hold h WHERE h.decision_id = d.decision_id
                                  AND (h.task_id, h.generation) = (d.task_id, d.generation))
LIMIT 100
