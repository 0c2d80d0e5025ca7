-- Takes the lease on a key, unless somebody holds a live one. One that yields gives way to a firm one.
-- ARGV: token, how long a fill may take in ms, full key where its name is hashed (else ''), labels (else ''),
--       'f' for a firm lease or 'y' for one that yields, how long it holds without being renewed in ms
-- Returns {'1', whether an entry of use is stored, u} when it was taken, {'0', token of the holder, ms that it holds, u}
-- when it was not; u says whether the key has just proved uncacheable.
local key = KEYS[1]
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local noted = redis.call('HGET', key, 'u')
local uncacheable = (noted and tonumber(noted) > now) and '1' or '0'
local held = redis.call('HGET', key, 'l')
if held then
  local holder, deadline, kind = string.match(held, '^(%d+):%d+:(%d+):(%a)$')
  deadline = tonumber(deadline or '0')
  if deadline > now and (kind == 'f' or ARGV[5] == 'y') then
    -- Whoever gives the lease back leaves a note only where somebody waits for it.
    if ARGV[5] == 'f' then redis.call('HSETNX', key, 'w', '1') end
    return {'0', holder, string.format('%.0f', deadline - now), uncacheable}
  end
  redis.call('HDEL', key, 'w')
end
redis.call('HSET', key, 'l', table.concat(
  {ARGV[1], string.format('%.0f', now), string.format('%.0f', now + ARGV[6]), ARGV[5]}, ':'))
if ARGV[3] ~= '' then redis.call('HSET', key, 'k', ARGV[3]) end
if ARGV[4] ~= '' then
  -- What is stored keeps its labels until it is replaced.
  local labels = redis.call('HGET', key, 'g') or ''
  if not string.find(labels, ARGV[4], 1, true) then redis.call('HSET', key, 'g', labels .. ARGV[4]) end
end
if redis.call('PTTL', key) < tonumber(ARGV[2]) then redis.call('PEXPIRE', key, ARGV[2]) end
local expires = tonumber(redis.call('HGET', key, 'x') or '0') or 0
return {'1', expires > now and '1' or '0', uncacheable}
