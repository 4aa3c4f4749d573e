-- Return where queued jobs stand and what each waits for, as JSON; changes nothing.
-- It decides as `lease_submits` does: what that would not grant now, a job waits for.
local due, places, permits, api_keys, pauses, reserved, finished_jobs = unpack(KEYS)
local now = tonumber(ARGV[1])
local limits = cjson.decode(ARGV[2]) -- as in lease_submits
local periods = cjson.decode(ARGV[3]) -- as in lease_submits
local FIRST_JOB = 4 -- of the arguments
local PRIORITIES = {'high', 'normal', 'low'}
local PAUSE_KINDS = {'hand', 'rate_limit', 'auth', 'credit'}

-- Returns a stored object; nil if it is absent or damaged.
local function read(hash, id, names)
  local is_json, value = pcall(cjson.decode, redis.call('HGET', hash, id) or '')
  if not is_json or type(value) ~= 'table' then return nil end
  for _, name in ipairs(names) do
    if type(value[name]) ~= 'string' then return nil end
  end
  return value
end

-- Many jobs of a page stand in the same lines.
local sizes, listed = {}, {}
local function measure_line(ready)
  sizes[ready] = sizes[ready] or redis.call('ZCARD', ready)
  return sizes[ready]
end
local function list_lines(lines)
  listed[lines] = listed[lines] or redis.call('ZRANGE', lines, 0, -1)
  return listed[lines]
end

-- Priorities first, then lines in turn.
local function count_ahead(id, place)
  local own = 'iq:lines:' .. place.quota .. ':' .. place.priority .. ':' .. place.line
  local rank = redis.call('ZRANK', own, id) or redis.call('ZCOUNT', own, '-inf', '(' .. place.since)
  local ahead = rank
  for _, priority in ipairs(PRIORITIES) do
    local lines = 'iq:lines:' .. place.quota .. ':' .. priority
    for _, line in ipairs(list_lines(lines)) do
      local ready = lines .. ':' .. line
      if priority ~= place.priority then
        ahead = ahead + measure_line(ready)
      elseif ready ~= own then
        ahead = ahead + math.min(measure_line(ready), rank + 1)
      end
    end
    if priority == place.priority then return ahead end
  end
end

-- Returns the pause of a name that lasts longest, of those in force.
local function find_pause(name, kinds)
  local longest
  for _, kind in ipairs(kinds or PAUSE_KINDS) do
    local is_stored = redis.call('HEXISTS', pauses, name .. '|' .. kind) == 1
    -- A damaged pause is in force, as in lease_submits.
    local pause = is_stored and (read(pauses, name .. '|' .. kind, {}) or {})
    local ends_at = pause and (tonumber(pause['until']) or math.huge)
    if pause and ends_at > now and ends_at > (longest and longest.ends_at or 0) then
      local reason = pause.reason and pause.reason ~= '' and pause.reason or kind
      longest = {waits_for = 'pause', reason = name .. ': ' .. reason, ends_at = ends_at}
    end
  end
  if longest and longest.ends_at == math.huge then longest.ends_at = nil end
  return longest
end

-- Returns the keys that may be used for a job: all, or the one that it must have.
local function list_keys(place, quota)
  for _, key in ipairs(quota.keys) do
    if key == place.key then return {key} end
  end
  return quota.keys
end

local function is_full(set, limit) return limit > 0 and redis.call('SCARD', set) >= limit end

-- Returns when a key may be used again within its window; nil if it may be now.
local function find_window_end(at, quota)
  if quota.tasks == 0 then return nil end
  local blocking = redis.call('ZRANGE', 'iq:sent:' .. at, -quota.tasks, -quota.tasks, 'WITHSCORES')[2]
  local ends_at = blocking and tonumber(blocking) + quota.seconds
  return ends_at and ends_at > now and ends_at or nil
end

local function get_list(caller, name)
  local key = read(api_keys, caller, {}) or {}
  return type(key[name]) == 'table' and key[name] or {}
end

local function get_caller_limit(caller)
  local own = tonumber(get_list(caller, 'limits')[3]) or 0
  return own > 0 and own or limits.caller_max_in_flight
end

-- Returns the one of `found` that ends first; one without an end is the last.
local function find_first(found)
  table.sort(found, function(a, b) return (a.ends_at or math.huge) < (b.ends_at or math.huge) end)
  return found[1]
end

local sums -- of what is reserved, by `{unit}|*` and `{unit}|{caller}`; read once for a page
local function get_reserved(field)
  if sums then return sums[field] or 0 end
  sums = {}
  for _, id in ipairs(redis.call('HKEYS', reserved)) do
    local each = redis.call('HEXISTS', permits, id) == 1 and read(reserved, id, {'caller'})
    for unit, amount in pairs(each and type(each.cost) == 'table' and each.cost or {}) do
      for _, name in ipairs({unit .. '|*', unit .. '|' .. each.caller}) do
        sums[name] = (sums[name] or 0) + amount
      end
    end
  end
  return sums[field] or 0
end

-- Returns the budget that a job does not fit into, of several the one that resets last.
local function find_budget(place)
  local latest
  local function check(budgets, caller, whose)
    for _, budget in ipairs(place.cost and budgets or {}) do
      local period = type(budget) == 'table' and periods[budget.period]
      local cost = period and place.cost[budget.unit]
      local spent = cost and redis.call('HGET', 'iq:spent:' .. period.name, budget.unit .. '|' .. caller)
      local used = cost and tonumber(spent or 0) + get_reserved(budget.unit .. '|' .. caller) + cost
      if cost and used > budget.amount and not (latest and latest.ends_at > period.ends_at) then
        local amount = string.format('%.15g', budget.amount / 1000000)
        local reason = amount .. budget.unit .. '/' .. budget.period .. whose
        latest = {waits_for = 'budget', reason = reason, ends_at = period.ends_at}
      end
    end
  end
  check(limits.budgets, '*', ' of all jobs')
  check(get_list(place.caller, 'budgets'), place.caller, ' of the caller')
  return latest
end

local function find_obstacle(place, quota)
  if #quota.keys == 0 then return {waits_for = 'key'} end
  local pause = find_pause('all') or find_pause(place.provider)
  if pause then return pause end
  local pauses, full, free = {}, {}, nil
  for _, key in ipairs(list_keys(place, quota)) do
    local at = place.quota .. ':' .. key
    local paused, window_end = find_pause(at), find_window_end(at, quota)
    if paused then
      pauses[#pauses + 1] = paused
    elseif is_full('iq:in_flight:at:' .. at, quota.max_in_flight) then
      full[#full + 1] = {waits_for = 'in_flight', reason = 'of the provider key'}
    elseif window_end then
      full[#full + 1] = {waits_for = 'limit', ends_at = window_end}
    else
      free = key
    end
  end
  if not free and #full == 0 then return find_first(pauses) end
  if limits.max_in_flight > 0 and redis.call('HLEN', permits) >= limits.max_in_flight then
    return {waits_for = 'in_flight', reason = 'in all'}
  end
  if is_full('iq:in_flight:by:' .. place.caller, get_caller_limit(place.caller)) then
    return {waits_for = 'in_flight', reason = 'of the caller'}
  end
  return find_budget(place) or free and {waits_for = 'turn'} or find_first(full)
end

local function find_unfinished(place)
  for _, id in ipairs(type(place.after) == 'table' and place.after or {}) do
    local has_finished = redis.call('ZSCORE', finished_jobs, id)
    if not has_finished and redis.call('EXISTS', 'iq:' .. id) == 1 then return id end
  end
end

local function measure(id)
  local place = read(places, id, {'quota', 'priority', 'line', 'provider', 'caller'})
  if not place then return {waits_for = 'worker', ahead = 0} end
  if redis.call('HEXISTS', permits, id) == 1 then return {waits_for = 'worker', ahead = 0} end
  local needed = find_unfinished(place)
  if needed then return {waits_for = 'job', reason = needed} end
  local outage = find_pause(place.upstream or place.provider, {'outage'})
  if outage then return outage end
  local wake_up = tonumber(redis.call('ZSCORE', due, id) or 0)
  if wake_up > now then return {waits_for = 'time', ends_at = wake_up} end
  local quota = limits.quotas[place.quota]
  local found = quota and find_obstacle(place, quota) or {waits_for = 'key'}
  found.ahead = count_ahead(id, place)
  if quota and quota.tasks > 0 and #quota.keys > 0 then
    found.seconds_each = quota.seconds / (quota.tasks * #list_keys(place, quota))
  end
  return found
end

local found = {}
for i = FIRST_JOB, #ARGV do found[#found + 1] = cjson.encode(measure(ARGV[i])) end
return found
