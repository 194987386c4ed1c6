SELECT version, name, checksum FROM {schema}.schema_migration ORDER BY version
