-- Lease queued jobs that may be sent now, in fair order, each with a permit of an account key; during
-- an outage those with a fallback without one, as a worker only changes their provider.
--
-- A job whose time has come moves from the due set to its line: the jobs of one caller for one
-- provider, oldest first. The lines of a priority take turns (start-time fair queuing).
-- A permit is one of the key's tasks in a window (a sliding window log) and one of its tasks in
-- flight. It counts as just sent until the provider has answered; `transition` returns it.
-- With the permit, the job's estimate is reserved within every budget, until `transition` records
-- the outcome. A line whose first job fits into no budget waits, and the others go on.
--
-- Returns {time of the next free permit or '', starts of the first job, notices as JSON or '',
-- id of each leased job}.
local due, places, permits, starts, granted, api_keys, pauses, reserved, finished_jobs = unpack(KEYS)
local now, lease_end, max_jobs = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local limits = cjson.decode(ARGV[4]) -- {quotas = {name = {keys, tasks, seconds, spacing, max_in_flight}}, budgets, ...}
local wanted = ARGV[5] -- lease this job only, before its turn, if there is room; '' for any
local finished, suffix = ARGV[6], ARGV[7] -- the step to finish before, and count the next start
local periods = cjson.decode(ARGV[8]) -- {day = {name, ends_at}, month = {name, ends_at}}
local NOTICE_AT, NOTICES_TTL_S = 0.8, 40 * 86400
local PRIORITIES = {'high', 'normal', 'low'}
local PAUSE_KINDS = {'hand', 'rate_limit', 'auth', 'credit'} -- 'outage' is that of an upstream
local MAX_POSTPONED = 100 -- of a line
local MAX_WOKEN = 1000
local LOOK_EVERY_S = 10
local LOOK_AGAIN_S = 300 -- for a needed job; `transition` wakes those that wait for it
local FORGOTTEN_S = 3600 -- an outage that no job has tried for so long
local PLACE = {'quota', 'priority', 'line', 'provider', 'caller'}
local PERMIT = {'at', 'caller', 'send'}

local leased, notices, next_at = {}, {}, nil

local function wait_until(time)
  if not next_at or time < next_at then next_at = time end
end

-- Returns a stored object; nil if it is absent or damaged, which must stop no other job.
local function read(hash, id, names)
  local is_json, value = pcall(cjson.decode, redis.call('HGET', hash, id) or '')
  if not is_json or type(value) ~= 'table' then return nil end
  for _, name in ipairs(names) do
    if type(value[name]) ~= 'string' then return nil end
  end
  return value
end

-- Returns the pauses by `name|kind`: those that hold jobs back, and those that a job has to try.
local function read_pauses()
  local found, in_force, to_try = redis.call('HGETALL', pauses), {}, {}
  for i = 1, #found, 2 do
    local field = found[i]
    local is_json, pause = pcall(cjson.decode, found[i + 1])
    local ends_at = is_json and type(pause) == 'table' and pause['until'] or nil
    if not is_json or type(pause) ~= 'table' or type(ends_at or 0) ~= 'number' then
      in_force[field] = {} -- what a damaged pause forbids is unknown: it lasts until it is resumed
    elseif not ends_at or ends_at > now then
      in_force[field] = pause
    elseif pause.pause_s and (not string.find(field, '|outage', 1, true) or ends_at > now - FORGOTTEN_S) then
      to_try[field] = pause
    else
      redis.call('HDEL', pauses, field)
    end
  end
  return in_force, to_try
end

local paused, to_try = read_pauses()

local function is_paused(name)
  local is_found = false
  for _, kind in ipairs(PAUSE_KINDS) do
    local pause = paused[name .. '|' .. kind]
    if pause then is_found = true end
    if pause and pause['until'] then wait_until(pause['until']) end
  end
  return is_found
end

-- Returns the outage of a job's provider and model, if it is in force.
local function find_outage(place) return paused[(place.upstream or place.provider) .. '|outage'] end

-- One job tries whether the provider accepts again; others wait until its lease ends.
local function try_again(id, place, at)
  for _, field in ipairs({at .. '|auth', at .. '|credit', (place.upstream or place.provider) .. '|outage'}) do
    local pause = to_try[field]
    if pause then
      pause['until'], pause.tried_by = lease_end, id
      redis.call('HSET', pauses, field, cjson.encode(pause))
      paused[field], to_try[field] = pause, nil
    end
  end
end

local function lease(id)
  redis.call('ZADD', due, lease_end, id)
  leased[#leased + 1] = id
end

local function read_place(id)
  local place = read(places, id, PLACE)
  local is_whole = place and type(place.since) == 'number' and type(place.cost or {}) == 'table'
    and type(place.after or {}) == 'table'
  return is_whole and place or nil
end

local function get_lines(place) return 'iq:lines:' .. place.quota .. ':' .. place.priority end

local function get_ready(lines, line) return lines .. ':' .. line end

-- A line that comes back starts no earlier than where it ended, so that it gains nothing by it.
local function join(id, place)
  local lines = get_lines(place)
  redis.call('ZREM', due, id)
  redis.call('ZADD', get_ready(lines, place.line), place.since, id)
  if not redis.call('ZSCORE', lines, place.line) then
    local first = redis.call('ZRANGE', lines, 0, 0, 'WITHSCORES')
    local ended = redis.call('HGET', lines .. ':ended', place.line)
    local turn = math.max(tonumber(first[2] or 0), tonumber(ended or 0))
    redis.call('ZADD', lines, turn, place.line)
  end
end

local function leave(lines, line)
  redis.call('HSET', lines .. ':ended', line, redis.call('ZSCORE', lines, line))
  redis.call('ZREM', lines, line)
  if redis.call('EXISTS', lines) == 0 then redis.call('DEL', lines .. ':ended') end
end

local function release(id, permit)
  redis.call('SREM', 'iq:in_flight:at:' .. permit.at, id)
  redis.call('SREM', 'iq:in_flight:by:' .. permit.caller, id)
  redis.call('HDEL', permits, id)
  redis.call('HDEL', reserved, id)
end

-- Whether a permit could be used until the end of the lease, in the same window as before.
local function renew(permit, quota)
  if quota.tasks == 0 then return true end
  local sent = 'iq:sent:' .. permit.at
  return redis.call('ZADD', sent, 'XX', 'CH', lease_end, permit.send) == 1
end

-- Returns a job that another one needs and that has not finished.
local function find_unfinished(place)
  for _, id in ipairs(place.after or {}) do
    local has_finished = redis.call('ZSCORE', finished_jobs, id)
    if not has_finished and redis.call('EXISTS', 'iq:' .. id) == 1 then return id end
  end
end

local function wake()
  for _, id in ipairs(redis.call('ZRANGE', due, '-inf', now, 'BYSCORE', 'LIMIT', 0, MAX_WOKEN)) do
    local place = read_place(id)
    local quota = place and limits.quotas[place.quota]
    local permit = read(permits, id, PERMIT)
    if not place then -- its worker died while the request was out, or stores its place again
      if #leased < max_jobs then lease(id) end
    elseif permit and quota and renew(permit, quota) then -- its message was lost
      if #leased < max_jobs then
        try_again(id, place, permit.at)
        lease(id)
      end
    else
      if permit then release(id, permit) else redis.call('HDEL', permits, id) end
      local needed = find_unfinished(place)
      if needed then
        redis.call('SADD', 'iq:needed_by:' .. needed, id)
        redis.call('ZADD', due, now + LOOK_AGAIN_S, id)
      else
        join(id, place)
      end
    end
  end
end

-- Returns the tasks that a key may still be sent, and 0 with a wait if there are none.
local function measure_room(at, quota)
  local room = math.huge
  if quota.max_in_flight > 0 then
    room = quota.max_in_flight - redis.call('SCARD', 'iq:in_flight:at:' .. at)
  end
  if quota.tasks == 0 or room <= 0 then return room end
  local sent = 'iq:sent:' .. at
  redis.call('ZREMRANGEBYSCORE', sent, '-inf', now - quota.seconds)
  local excess = redis.call('ZCARD', sent) - quota.tasks
  if excess >= 0 then
    wait_until(tonumber(redis.call('ZRANGE', sent, excess, excess, 'WITHSCORES')[2]) + quota.seconds)
    return 0
  end
  -- Jobs that are sent at the same instant overtake each other.
  local next_grant = tonumber(redis.call('HGET', granted, at) or 0) + quota.spacing
  if next_grant > now then
    wait_until(next_grant)
    return 0
  end
  return math.min(room, -excess)
end

-- Returns the key that a job must have, if it is configured still.
local function get_required(place, quota)
  for _, key in ipairs(quota.keys) do
    if key == place.key then return key end
  end
end

-- Returns the key with the most room, of all or of the one that a job must have.
local function find_key(name, quota, required)
  local best, best_room, best_load
  for _, key in ipairs(quota.keys) do
    local at = name .. ':' .. key
    if (not required or key == required) and not is_paused(at) then
      local room = measure_room(at, quota)
      local load = redis.call('SCARD', 'iq:in_flight:at:' .. at)
      if room > (best_room or 0) or (room == best_room and load < best_load) then
        best, best_room, best_load = key, room, load
      end
    end
  end
  return best
end

local api_key_of = {}

local function is_list(value) return value == nil or type(value) == 'table' end

local function is_budget(value)
  return type(value) == 'table' and periods[value.period] and type(value.unit) == 'string'
    and type(value.amount) == 'number'
end

local function are_budgets(values)
  for _, value in ipairs(is_list(values) and values or {}) do
    if not is_budget(value) then return false end
  end
  return is_list(values)
end

-- Returns false for a damaged record: what it allows is unknown, so the caller's jobs wait.
local function get_api_key(caller)
  if api_key_of[caller] == nil then
    local record = redis.call('HGET', api_keys, caller) or '{"hash": ""}'
    local is_json, key = pcall(cjson.decode, record)
    local is_whole = is_json and type(key) == 'table' and type(key.hash) == 'string'
    api_key_of[caller] = is_whole and is_list(key.limits) and are_budgets(key.budgets) and key
  end
  return api_key_of[caller]
end

local function has_caller_room(caller)
  local max_in_flight = limits.caller_max_in_flight
  local key = get_api_key(caller)
  if not key then return false end
  local own_max = tonumber((key.limits or {})[3]) or 0
  if own_max > 0 then max_in_flight = own_max end
  return max_in_flight == 0 or redis.call('SCARD', 'iq:in_flight:by:' .. caller) < max_in_flight
end

local function has_room()
  return limits.max_in_flight == 0 or redis.call('HLEN', permits) < limits.max_in_flight
end

local sums -- of what is reserved, by `{unit}|*` and `{unit}|{caller}`

local function add_reserved(caller, cost)
  for unit, amount in pairs(cost) do
    for _, field in ipairs({unit .. '|*', unit .. '|' .. caller}) do
      sums[field] = (sums[field] or 0) + amount
    end
  end
end

local function get_reserved(field)
  if not sums then
    sums = {}
    local found = redis.call('HGETALL', reserved)
    for i = 1, #found, 2 do
      local each = read(reserved, found[i], {'caller'})
      if each and type(each.cost) == 'table' and redis.call('HEXISTS', permits, found[i]) == 1 then
        add_reserved(each.caller, each.cost)
      else -- damaged, or a process of an earlier version has returned the permit
        redis.call('HDEL', reserved, found[i])
      end
    end
  end
  return sums[field] or 0
end

local function notice(event, budget, caller)
  local noticed = 'iq:budgets:noticed:' .. periods[budget.period].name
  local amount = string.format('%.0f', budget.amount)
  local field = table.concat({event, budget.unit, caller, amount, budget.period}, '|')
  if redis.call('HSETNX', noticed, field, now) == 1 then
    redis.call('EXPIRE', noticed, NOTICES_TTL_S)
    notices[#notices + 1] = field
  end
end

-- Returns each budget that a job needs, as {budget, caller, used: spent and reserved}.
local function measure_budgets(place)
  local measured = {}
  local function measure(budgets, caller)
    for _, budget in ipairs(budgets or {}) do
      if place.cost and place.cost[budget.unit] then
        local field = budget.unit .. '|' .. caller
        local spent = redis.call('HGET', 'iq:spent:' .. periods[budget.period].name, field)
        local used = tonumber(spent or 0) + get_reserved(field)
        measured[#measured + 1] = {budget = budget, caller = caller, used = used}
      end
    end
  end
  measure(limits.budgets, '*')
  measure(get_api_key(place.caller).budgets, place.caller)
  return measured
end

local function fits_budgets(place)
  local fits = true
  for _, each in ipairs(measure_budgets(place)) do
    if each.used + place.cost[each.budget.unit] > each.budget.amount then
      wait_until(periods[each.budget.period].ends_at)
      notice('budget_exhausted', each.budget, each.caller)
      fits = false
    end
  end
  return fits
end

local function reserve(id, place)
  if not place.cost then return end
  redis.call('HSET', reserved, id, cjson.encode({caller = place.caller, cost = place.cost}))
  if sums then add_reserved(place.caller, place.cost) end
  for _, each in ipairs(measure_budgets(place)) do
    if each.used >= NOTICE_AT * each.budget.amount then
      notice('budget_warning', each.budget, each.caller)
    end
  end
end

local function grant(id, place, key)
  local at = place.quota .. ':' .. key
  local send = id .. ':' .. now -- a job may be sent twice within a window
  local quota = limits.quotas[place.quota]
  if quota.tasks > 0 then
    redis.call('ZADD', 'iq:sent:' .. at, lease_end, send)
    redis.call('HSET', granted, at, now)
  end
  redis.call('SADD', 'iq:in_flight:at:' .. at, id)
  redis.call('SADD', 'iq:in_flight:by:' .. place.caller, id)
  try_again(id, place, at)
  redis.call('HSET', permits, id, cjson.encode({at = at, caller = place.caller, send = send}))
  reserve(id, place)
  lease(id)
end

-- Returns the first job of a line that no outage holds back. Those before it leave the line until a
-- job tries again, so that jobs for other models are sent; each comes back to its place.
local function find_first(lines, line)
  local ready = get_ready(lines, line)
  for _ = 1, MAX_POSTPONED do
    local id = redis.call('ZRANGE', ready, 0, 0)[1]
    if not id then
      leave(lines, line)
      return nil
    end
    local place = read_place(id)
    local outage = place and find_outage(place)
    if place and not outage then return id, place end
    redis.call('ZREM', ready, id)
    if not place then
      redis.call('ZADD', due, now, id) -- a worker stores its place again
    elseif place.fallback and #leased < max_jobs then
      lease(id)
    else
      redis.call('ZADD', due, outage['until'] or lease_end, id)
    end
  end
end

-- Grant a permit to the job whose turn it is; returns whether there is one.
local function grant_next(name, quota)
  local any_key = has_room() and find_key(name, quota)
  if not any_key then return false end
  for _, priority in ipairs(PRIORITIES) do
    local lines, passed = 'iq:lines:' .. name .. ':' .. priority, {}
    for _, line in ipairs(redis.call('ZRANGE', lines, 0, -1)) do
      local id, place = find_first(lines, line)
      if id then
        local required = get_required(place, quota)
        local key = any_key
        if required then key = find_key(name, quota, required) end
        local may_leave = key and not is_paused(place.provider) and has_caller_room(place.caller)
        if may_leave and fits_budgets(place) then
          local turn = redis.call('ZSCORE', lines, line)
          for _, other in ipairs(passed) do redis.call('ZADD', lines, 'XX', 'GT', turn, other) end
          redis.call('ZREM', get_ready(lines, line), id)
          redis.call('ZINCRBY', lines, 1, line)
          grant(id, place, key)
          return true
        end
      end
      passed[#passed + 1] = line -- a line that is passed over saves no turns up meanwhile
    end
  end
  return false
end

local function is_set_aside(name, quota)
  for _, key in ipairs(quota.keys) do
    local at = name .. ':' .. key
    if not (paused[at .. '|auth'] or paused[at .. '|credit']) then return false end
  end
  return #quota.keys > 0
end

-- Lease the jobs that have a fallback, without a permit: the worker sends them there.
local function lease_fallbacks(name)
  for _, priority in ipairs(PRIORITIES) do
    local lines = 'iq:lines:' .. name .. ':' .. priority
    for _, line in ipairs(redis.call('ZRANGE', lines, 0, -1)) do
      if #leased >= max_jobs then return end
      local ready = get_ready(lines, line)
      local ids = redis.call('ZRANGE', ready, 0, max_jobs - #leased - 1)
      local place = ids[1] and read_place(ids[1])
      if place and place.fallback and not is_paused(place.provider) then
        for _, id in ipairs(ids) do
          redis.call('ZREM', ready, id)
          lease(id)
        end
      end
    end
  end
end

local function lease_in_order()
  for name, quota in pairs(limits.quotas) do
    if is_set_aside(name, quota) then lease_fallbacks(name) end
    while #leased < max_jobs and grant_next(name, quota) do end
  end
end

local function lease_wanted()
  local place = read_place(wanted)
  local quota = place and limits.quotas[place.quota]
  local wake_up = redis.call('ZSCORE', due, wanted)
  if not quota or redis.call('HEXISTS', permits, wanted) == 1 then return end
  if wake_up and tonumber(wake_up) > lease_end or not has_room() then return end
  if find_unfinished(place) then return end
  if find_outage(place) or is_paused(place.provider) or not has_caller_room(place.caller) then return end
  local ready = get_ready(get_lines(place), place.line)
  local first = redis.call('ZRANGE', ready, 0, 0)[1]
  -- What waits for a budget is not overtaken in its line.
  local before = first and first ~= wanted and read_place(first)
  if before and not fits_budgets(before) then return end
  local key = find_key(place.quota, quota, get_required(place, quota))
  if key and fits_budgets(place) then
    redis.call('ZREM', ready, wanted)
    grant(wanted, place, key)
  end
end

-- Jobs in lines are in no due set: this time shows that a process looks for them.
if now - tonumber(redis.call('GET', 'iq:leased_at') or 0) > LOOK_EVERY_S then
  redis.call('SET', 'iq:leased_at', now)
end
if finished ~= '' then redis.call('HDEL', starts, finished .. suffix) end
if wanted == '' then wake() end
if not is_paused('all') then
  if wanted == '' then lease_in_order() else lease_wanted() end
end
local first_starts = 0
if finished ~= '' and leased[1] then first_starts = redis.call('HINCRBY', starts, leased[1] .. suffix, 1) end
local noticed = notices[1] and cjson.encode(notices) or ''
return {next_at and tostring(next_at) or '', first_starts, noticed, unpack(leased)}
