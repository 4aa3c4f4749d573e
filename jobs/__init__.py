"""Jobs as pure values: their states, schedule, callbacks, batches and tokens. No I/O."""
