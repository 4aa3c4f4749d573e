-- Begin a pause that ends by itself, unless one is in force that lasts longer.
local pauses = KEYS[1]
local field, pause, ends_at = ARGV[1], ARGV[2], tonumber(ARGV[3])

local known = redis.call('HGET', pauses, field)
if not known or cjson.decode(known)['until'] < ends_at then
  redis.call('HSET', pauses, field, pause)
end
