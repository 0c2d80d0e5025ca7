-- Gives a lease back. ARGV: token
local held = redis.call('HGET', KEYS[1], 'l')
if not held or string.match(held, '^(%d+):') ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], 'l')
local expires = redis.call('HGET', KEYS[1], 'x')
if redis.call('HEXISTS', KEYS[1], 'r') == 1 and expires then
  redis.call('PEXPIREAT', KEYS[1], expires)
else
  redis.call('DEL', KEYS[1])
end
return 1
