-- Notes when a tag was cleared. ARGV: lifetime of the note in ms
local t = redis.call('TIME')
redis.call('SET', KEYS[1], string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000)), 'PX', ARGV[1])
return 1
