-- The plugin's version. `overt doctor` compares it with the sidecar's; they are released together.
return "0.1.0"
