"""Search for the settings that suit this device and this camera."""
