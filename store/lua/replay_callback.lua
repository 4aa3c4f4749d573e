-- Move a quarantined callback back to the unread callbacks of its job. Returns 1, or 0 if it is gone.
local quarantine, quarantine_bytes, callbacks, due = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local entry_id, job_id, wake_up = ARGV[1], ARGV[2], ARGV[3]

local found = redis.call('XRANGE', quarantine, entry_id, entry_id)[1]
if not found then return 0 end
local entry = found[2][6]
redis.call('RPUSH', callbacks, entry)
redis.call('ZADD', due, wake_up, job_id)
redis.call('XDEL', quarantine, entry_id)
redis.call('DECRBY', quarantine_bytes, #entry)
return 1
