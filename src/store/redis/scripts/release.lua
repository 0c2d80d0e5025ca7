-- Gives a lease back. ARGV: token, how long to note that the key proved uncacheable in ms (else '0')
-- The note is for those who wait, and is left only where somebody does.
local key = KEYS[1]
local held = redis.call('HGET', key, 'l')
if not held or string.match(held, '^(%d+):') ~= ARGV[1] then return 0 end
local note = redis.call('HEXISTS', key, 'w') == 1 and tonumber(ARGV[2]) or 0
local expires = redis.call('HGET', key, 'x')
if redis.call('HEXISTS', key, 'r') == 1 and expires then
  redis.call('HDEL', key, 'l', 'w')
  redis.call('PEXPIREAT', key, expires)
else
  redis.call('DEL', key)
end
if note > 0 then
  local t = redis.call('TIME')
  local till = t[1] * 1000 + math.floor(t[2] / 1000) + note
  redis.call('HSET', key, 'u', string.format('%.0f', till))
  if redis.call('PTTL', key) < note then redis.call('PEXPIRE', key, note) end
end
return 1
