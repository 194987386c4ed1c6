-- What a model did, newest first.
CREATE INDEX record_model ON verification.record (model, create_time, task_id, generation);
