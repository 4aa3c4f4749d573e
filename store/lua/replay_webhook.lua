-- Move a dead letter back to the webhooks of its job, as the last. Returns 1, or 0 if it is gone.
local dead_letters, webhooks, due = KEYS[1], KEYS[2], KEYS[3]
local letter_id, job_id, wake_up, entry = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

if redis.call('XDEL', dead_letters, letter_id) == 0 then return 0 end
redis.call('RPUSH', webhooks, entry)
redis.call('ZADD', due, wake_up, job_id)
return 1
