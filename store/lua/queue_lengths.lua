-- How many hints stand in each lane of a queue.   KEYS: the lists of its lanes
local standing = {}
for lane, list in ipairs(KEYS) do standing[lane] = redis.call('LLEN', list) end
return standing
