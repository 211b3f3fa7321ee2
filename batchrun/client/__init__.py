"""Every call of the Message Batches API. `batches.BatchesClient` is the way in; `batchrun` exports it."""
