INSERT INTO {schema}.schema_migration (version, name, checksum, apply_time)
VALUES ({version}, {name}, {checksum}, to_timestamp({apply_micros}::bigint / 1000000.0))
