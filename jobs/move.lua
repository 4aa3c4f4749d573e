-- Change a job only if nobody changed it since it was read: the record, the index by state and
-- the wake-up together, so that no crash leaves a live job without one.
-- A client whose connection broke asks again: the new record itself may be in place already.
-- KEYS: record, index left, index entered, due left, due entered
-- ARGV: id, revision that was read, new record, wake-up
local revision = '^{"rev":"(%x+)"'
local now = string.match(redis.call('GET', KEYS[1]) or '', revision)
if now ~= ARGV[2] and now ~= string.match(ARGV[3], revision) then return 0 end
redis.call('SET', KEYS[1], ARGV[3])
if KEYS[2] ~= KEYS[3] then
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('ZADD', KEYS[3], 0, ARGV[1])
end
if KEYS[4] ~= KEYS[5] then redis.call('ZREM', KEYS[4], ARGV[1]) end
redis.call('ZADD', KEYS[5], ARGV[4], ARGV[1])
return 1
