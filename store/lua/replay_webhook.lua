-- Put a dead letter back behind its job's other webhooks, once.
-- KEYS: dead letters, webhooks, due   ARGV: letter's id, job id, wake-up, entry
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('RPUSH', KEYS[2], ARGV[4])
redis.call('ZADD', KEYS[3], ARGV[3], ARGV[2])
return 1
