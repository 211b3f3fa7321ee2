"""The scripts that people write today. Each does the same work as the job, honestly, and nothing more: no
state, no proof, no second chance."""
