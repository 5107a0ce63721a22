"""Events and state over MQTT."""
