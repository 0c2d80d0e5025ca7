-- Takes the lease on a key, unless somebody holds a live one.
-- ARGV: token, lifetime in ms, full key where its name is hashed (else ''), labels (else '')
-- Returns 1 when it was taken, 0 when it is held.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local held = redis.call('HGET', KEYS[1], 'l')
if held then
  local deadline = tonumber(string.match(held, ':(%d+)$'))
  if deadline and deadline > now then return 0 end
end
redis.call('HSET', KEYS[1], 'l', ARGV[1] .. ':' .. string.format('%.0f', now + ARGV[2]))
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'k', ARGV[3]) end
if ARGV[4] ~= '' then
  -- What is stored keeps its labels until it is replaced.
  local labels = redis.call('HGET', KEYS[1], 'g') or ''
  if not string.find(labels, ARGV[4], 1, true) then redis.call('HSET', KEYS[1], 'g', labels .. ARGV[4]) end
end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1
