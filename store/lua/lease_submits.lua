-- Lease queued jobs that may be sent now, in fair order, each with a permit of an account key.
--
-- A job whose time has come moves from the due set to its line: the jobs of one caller for one
-- provider, oldest first. The lines of a priority take turns (start-time fair queuing).
-- A permit is one of the key's tasks in a window (a sliding window log) and one of its tasks in
-- flight. It counts as just sent until the provider has answered; `transition` returns it.
--
-- Returns {time of the next free permit or '', starts of the first job, id of each leased job}.
local due, places, permits, starts, granted, api_keys, all_in_flight, pauses = unpack(KEYS)
local now, lease_end, max_jobs = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local limits = cjson.decode(ARGV[4]) -- {quotas = {name = {keys, tasks, seconds, spacing, max_in_flight}}, ...}
local wanted = ARGV[5] -- lease this job only, before its turn, if there is room; '' for any
local finished, suffix = ARGV[6], ARGV[7] -- the step to finish before, and count the next start
local PRIORITIES = {'high', 'normal', 'low'}
local PAUSE_KINDS = {'hand', 'rate_limit', 'auth', 'credit'}
local MAX_WOKEN = 1000

local leased, next_at = {}, nil

local function wait_until(time)
  if not next_at or time < next_at then next_at = time end
end

-- Returns the pauses by `name|kind`: those that hold jobs back, and those that a job has to try.
local function read_pauses()
  local found, in_force, to_try = redis.call('HGETALL', pauses), {}, {}
  for i = 1, #found, 2 do
    local field, pause = found[i], cjson.decode(found[i + 1])
    if not pause['until'] or pause['until'] > now then
      in_force[field] = pause
    elseif pause.pause_s then
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

-- One job tries whether the provider accepts again; others wait until its lease ends.
local function try_again(name, id)
  for _, kind in ipairs(PAUSE_KINDS) do
    local field = name .. '|' .. kind
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
  local place = redis.call('HGET', places, id)
  return place and cjson.decode(place)
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
  redis.call('SREM', all_in_flight, id)
  redis.call('SREM', 'iq:in_flight:at:' .. permit.at, id)
  redis.call('SREM', 'iq:in_flight:by:' .. permit.caller, id)
  redis.call('HDEL', permits, id)
end

-- Whether a permit could be used until the end of the lease, in the same window as before.
local function renew(permit, quota)
  if quota.tasks == 0 then return true end
  local sent = 'iq:sent:' .. permit.at
  return redis.call('ZADD', sent, 'XX', 'CH', lease_end, permit.send) == 1
end

local function wake()
  for _, id in ipairs(redis.call('ZRANGE', due, '-inf', now, 'BYSCORE', 'LIMIT', 0, MAX_WOKEN)) do
    local place = read_place(id)
    local quota = place and limits.quotas[place.quota]
    local permit = redis.call('HGET', permits, id)
    permit = permit and cjson.decode(permit)
    if not place then -- its worker died while the request was out
      if #leased < max_jobs then lease(id) end
    elseif permit and quota and renew(permit, quota) then -- its message was lost
      if #leased < max_jobs then
        try_again(permit.at, id)
        lease(id)
      end
    else
      if permit then release(id, permit) end
      join(id, place)
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

local function has_caller_room(caller)
  local max_in_flight = limits.caller_max_in_flight
  local record = redis.call('HGET', api_keys, caller)
  local own = record and cjson.decode(record).limits
  if own and own[3] and own[3] > 0 then max_in_flight = own[3] end
  return max_in_flight == 0 or redis.call('SCARD', 'iq:in_flight:by:' .. caller) < max_in_flight
end

local function has_room()
  return limits.max_in_flight == 0 or redis.call('SCARD', all_in_flight) < limits.max_in_flight
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
  redis.call('SADD', all_in_flight, id)
  try_again(at, id)
  redis.call('HSET', permits, id, cjson.encode({at = at, key = key, caller = place.caller, send = send}))
  lease(id)
end

-- Grant a permit to the job whose turn it is; returns whether there is one.
local function grant_next(name, quota)
  local any_key = has_room() and find_key(name, quota)
  if not any_key then return false end
  for _, priority in ipairs(PRIORITIES) do
    local lines = 'iq:lines:' .. name .. ':' .. priority
    for _, line in ipairs(redis.call('ZRANGE', lines, 0, -1)) do
      local ready = get_ready(lines, line)
      local id = redis.call('ZRANGE', ready, 0, 0)[1]
      if not id then
        leave(lines, line)
      else
        local place = read_place(id)
        local required = get_required(place, quota)
        local key = any_key
        if required then key = find_key(name, quota, required) end
        if key and not is_paused(place.provider) and has_caller_room(place.caller) then
          redis.call('ZREM', ready, id)
          redis.call('ZINCRBY', lines, 1, line)
          grant(id, place, key)
          return true
        end
      end
    end
  end
  return false
end

local function lease_in_order()
  for name, quota in pairs(limits.quotas) do
    while #leased < max_jobs and grant_next(name, quota) do end
  end
end

local function lease_wanted()
  local place = read_place(wanted)
  local quota = place and limits.quotas[place.quota]
  local wake_up = redis.call('ZSCORE', due, wanted)
  if not quota or redis.call('HEXISTS', permits, wanted) == 1 then return end
  if wake_up and tonumber(wake_up) > lease_end or not has_room() then return end
  if is_paused(place.provider) or not has_caller_room(place.caller) then return end
  local key = find_key(place.quota, quota, get_required(place, quota))
  if key then
    redis.call('ZREM', get_ready(get_lines(place), place.line), wanted)
    grant(wanted, place, key)
  end
end

if finished ~= '' then redis.call('HDEL', starts, finished .. suffix) end
if wanted == '' then wake() end
if not is_paused('all') then
  if wanted == '' then lease_in_order() else lease_wanted() end
end
local first_starts = 0
if finished ~= '' and leased[1] then first_starts = redis.call('HINCRBY', starts, leased[1] .. suffix, 1) end
return {next_at and tostring(next_at) or '', first_starts, unpack(leased)}
