-- Notes a key in an index until it can no longer live. ARGV: member, lifetime in ms
-- The score is when it expires, and grows with every registration: who saw the old score saw nothing of this one.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - 1000))
local score = now + ARGV[2]
local before = redis.call('ZSCORE', KEYS[1], ARGV[1])
if before then score = math.max(score, tonumber(before) + 1) end
redis.call('ZADD', KEYS[1], string.format('%.0f', score), ARGV[1])
local lifetime = score - now + 1000
if redis.call('PTTL', KEYS[1]) < lifetime then redis.call('PEXPIRE', KEYS[1], string.format('%.0f', lifetime)) end
return 1
