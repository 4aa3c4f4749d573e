-- Begin the turn of a job: returns how often its step was begun without an end, and its record.
-- KEYS: starts, record   ARGV: job and stage
return {redis.call('HINCRBY', KEYS[1], ARGV[1], 1), redis.call('GET', KEYS[2])}
