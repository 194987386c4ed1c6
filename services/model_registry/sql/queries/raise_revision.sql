UPDATE model_registry.configuration SET revision = revision + 1
