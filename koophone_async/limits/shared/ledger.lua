-- Settles the request of a process; `ledger.py` says how, and a test compares the two.
-- KEYS: the document of the scope, and when this run of the server was first seen.
-- ARGV: the request as JSON, the seconds after which an unused document is deleted, and for tests the time.

local GRAINS, MAX_STEP_BACK = 1000, 1000

local function sum(log)
  local total = 0
  for _, entry in ipairs(log) do total = total + entry[2] end
  return total
end

local function enter(state, window, free_at, count, now)
  local grain = math.max(1, math.floor(window.length / GRAINS))
  free_at = math.ceil(free_at / grain) * grain
  if count <= 0 or free_at <= now then return end
  local place = #state.log
  while place > 0 and state.log[place][1] > free_at do place = place - 1 end
  if place > 0 and state.log[place][1] == free_at then
    state.log[place][2] = state.log[place][2] + count
  else
    table.insert(state.log, place + 1, {free_at, count})
  end
end

local function filter(log, keeps)
  local kept = {}
  for _, entry in ipairs(log) do
    if keeps(entry) then kept[#kept + 1] = entry end
  end
  return kept
end

local function new_holder(window)
  return {serial = 0, count = window.first, held = 0, last = 0, want = 0, due = 0, served = 0, ['until'] = 0}
end

local function state_of(document, window)
  local state = document.windows[window.id]
  if not state then
    local known_from = document.since + window.valid + window.length
    state = {term = 0, log = {}, holders = {}}
    if known_from > document.now then state.log[1] = {known_from, window.permits} end
    document.windows[window.id] = state
  end
  return state
end

local function term_of(document, state)
  return string.format('%.0f.%.0f', document.since, state.term)
end

local function end_leases(state, window, now)
  state.log = filter(state.log, function(entry) return entry[1] > now end)
  local ended = {}
  for name, holder in pairs(state.holders) do
    if holder['until'] <= now then ended[#ended + 1] = name end
  end
  for _, name in ipairs(ended) do
    local holder = state.holders[name]
    enter(state, window, holder['until'] + window.length, holder.held, now)
    state.holders[name] = nil
  end
end

local function report(document, state, holder, window)
  local now, new = document.now, 0
  for number = math.max(0, holder.count - window.first) + 1, #window.used do
    enter(state, window, window.used[number] + window.length, 1, now)
    new = new + 1
  end
  holder.count = math.max(holder.count, window.first + #window.used)
  if window.term == term_of(document, state) then
    enter(state, window, holder.last, holder.held - new - window.held, now)
    holder.held = window.held
  end
end

local function exhaust(state, window, now)
  state.term, state.log, state.holders = state.term + 1, {}, {}
  enter(state, window, now + window.length, window.permits, now)
end

local function available_of(state, free, now)
  local available = {}
  if free > 0 then available[1] = {now, free} end
  for _, entry in ipairs(state.log) do
    free = math.min(free, 0) + entry[2]
    if free > 0 then available[#available + 1] = {entry[1], free} end
  end
  return available
end

local function is_before(one, name, other, other_name)
  if one.due ~= other.due then return one.due < other.due end
  if one.served ~= other.served then return one.served < other.served end
  return name < other_name
end

local function distribute(holders, available)
  local rest = available
  for _, one in pairs(holders) do
    one.due = math.min(one.due, one.want)
    rest = rest - one.due
  end
  while rest > 0 do
    local first = nil
    for name, one in pairs(holders) do
      if one.due < one.want and (not first or is_before(one, name, holders[first], first)) then first = name end
    end
    if not first then return end
    holders[first].due = holders[first].due + 1
    rest = rest - 1
  end
end

local function take(state, available, count, now)
  local starts = {}
  while count > 0 do
    local start, taken = available[1][1], math.min(available[1][2], count)
    starts[#starts + 1] = {start, taken}
    count = count - taken
    available[1][2] = available[1][2] - taken
    if available[1][2] == 0 then table.remove(available, 1) end
    if start > now then
      for _, entry in ipairs(state.log) do
        if entry[1] == start then entry[2] = entry[2] - taken end
      end
      state.log = filter(state.log, function(entry) return entry[2] ~= 0 end)
    end
  end
  return starts
end

local function nth(available, skipped)
  for _, entry in ipairs(available) do
    if skipped < entry[2] then return entry[1] end
    skipped = skipped - entry[2]
  end
  return 0
end

local function lease(document, state, holder, window, is_late)
  local now, used, soon = document.now, sum(state.log), 0
  for _, one in pairs(state.holders) do used = used + one.held end
  local permits = document.quotas[window.id] or window.permits
  local available = available_of(state, permits - used, now)
  for _, entry in ipairs(available) do
    if entry[1] <= now + window.horizon then soon = soon + entry[2] end
  end
  distribute(state.holders, soon)
  local taken = is_late and 0 or math.min(holder.due, soon)
  local starts = take(state, available, taken, now)
  if #starts > 0 then
    holder.held, holder.due, holder.want = holder.held + taken, holder.due - taken, holder.want - taken
    holder.served, holder.last = now, math.max(holder.last, starts[#starts][1])
  end
  local reserved, sharers, others = 0, 0, 0
  for _, one in pairs(state.holders) do
    reserved = reserved + one.due
    if one ~= holder and one.want > 0 then sharers, others = sharers + 1, others + one.want end
  end
  return {
    id = window.id, term = term_of(document, state), starts = starts, next = nth(available, reserved),
    sharers = sharers, others = others,
  }
end

local function settle_window(document, request, window)
  local state, now = state_of(document, window), document.now
  end_leases(state, window, now)
  local holder = state.holders[request.holder] or new_holder(window)
  state.holders[request.holder] = holder
  local is_late = request.serial <= holder.serial
  if not is_late then
    holder.serial = request.serial
    report(document, state, holder, window)
    if window.exhausted and document.quotas[window.id] ~= window.permits then
      document.quotas[window.id] = window.permits
      exhaust(state, window, now)
      local count = holder.count
      holder = new_holder(window)
      holder.serial, holder.count = request.serial, count
      state.holders[request.holder] = holder
    end
    holder.want = math.min(window.want, document.quotas[window.id] or window.permits)
    holder['until'] = now + window.valid
  end
  return lease(document, state, holder, window, is_late)
end

local function settle(document, request, now, since)
  local last = document.now or 0
  if now < last - MAX_STEP_BACK then
    since = now
  else
    now = math.max(now, last)
    since = math.max(math.min(since, now), document.since or 0)
  end
  if document.since ~= since then document.since, document.windows = since, {} end
  document.now, document.quotas = now, document.quotas or {}
  local throttle = request.throttle
  if throttle ~= cjson.null and (not document.throttle or throttle.granted > document.throttle.at) then
    document.throttle = throttle
  end
  local leases = {}
  for _, window in ipairs(request.windows) do leases[#leases + 1] = settle_window(document, request, window) end
  return {now = now, leases = leases, quotas = document.quotas, throttle = document.throttle or cjson.null}
end

local function time()
  if ARGV[3] then return tonumber(ARGV[3]) end
  local seconds, microseconds = unpack(redis.call('TIME'))
  return seconds * 1000 + math.floor(microseconds / 1000)
end

-- A server that was restarted may have lost what it knew, whatever it was restarted with.
local function seen_since(now)
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
  local known_run, since = unpack(redis.call('HMGET', KEYS[2], 'run', 'since'))
  if known_run == run and tonumber(since) <= now + MAX_STEP_BACK then return tonumber(since) end
  redis.call('HSET', KEYS[2], 'run', run, 'since', string.format('%.0f', now))
  return now
end

local now = time()
local stored = redis.call('GET', KEYS[1])
local document = stored and cjson.decode(stored) or {}
local answer = settle(document, cjson.decode(ARGV[1]), now, seen_since(now))
redis.call('SET', KEYS[1], cjson.encode(document), 'EX', ARGV[2])
return cjson.encode(answer)
