-- Lets a lease hold for longer. ARGV: token, how long in ms
local held = redis.call('HGET', KEYS[1], 'l')
local token, taken, kind = string.match(held or '', '^(%d+):(%d+):%d+:(%a)$')
if token ~= ARGV[1] then return 0 end
local t = redis.call('TIME')
local till = t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[2]
redis.call('HSET', KEYS[1], 'l', table.concat({token, taken, string.format('%.0f', till), kind}, ':'))
return 1
