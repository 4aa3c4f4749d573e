-- Remove an ended job whose retention is over, unless somebody revived it in the meantime.
-- KEYS: record, retention, callbacks, counters, then every index of a resting state   ARGV: id, now
local over = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not over or tonumber(over) > tonumber(ARGV[2]) then return 0 end
local job = cjson.decode(redis.call('GET', KEYS[1]) or '{}')
if job.state then
  redis.call('HINCRBY', KEYS[4], 'jobs.' .. job.state .. '.' .. job.provider, -1)
end
redis.call('DEL', KEYS[1], KEYS[3])
redis.call('ZREM', KEYS[2], ARGV[1])
for i = 5, #KEYS do redis.call('ZREM', KEYS[i], ARGV[1]) end
return 1
