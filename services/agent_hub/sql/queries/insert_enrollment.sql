INSERT INTO agent_hub.enrollment (enrollment_id, agent_id, name, labels, token_hash, create_time, expire_time, created_by,
                                  token_lifetime)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
