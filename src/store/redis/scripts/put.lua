-- Stores an entry if the lease still holds this token, and ends the lease.
-- ARGV: token, lifetime in ms, root, labels, id of the variant (else ''), variant, most variants, body apart (else '')
-- Returns 1 when it was stored, 0 when the lease is lost.
local key = KEYS[1]
local held = redis.call('HGET', key, 'l')
if not held or string.match(held, '^(%d+):') ~= ARGV[1] then return 0 end
local t = redis.call('TIME')
local expires = t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[2]
local id, labels, body = ARGV[5], ARGV[4], ARGV[8]
-- Labels that changed with every variant for very long are bounded by beginning anew.
if id ~= '' and redis.call('HGET', key, 'r') == ARGV[3] and redis.call('HSTRLEN', key, 'g') < 65536 then
  -- One variant more, under the same names. The key lives as long as the longest of them.
  expires = math.max(expires, tonumber(redis.call('HGET', key, 'x') or '0') or 0)
  local before = redis.call('HGET', key, 'g') or ''
  if not string.find(before, labels, 1, true) then labels = before .. labels else labels = before end
  redis.call('HDEL', key, 'l', 'w', 'u')
else
  local full = redis.call('HGET', key, 'k')
  redis.call('DEL', key)
  redis.call('HSET', key, 'r', ARGV[3])
  if full then redis.call('HSET', key, 'k', full) end
end
if labels ~= '' then redis.call('HSET', key, 'g', labels) end
if id ~= '' then
  redis.call('HSET', key, 'v:' .. id, ARGV[6])
  redis.call('HDEL', key, 'b:' .. id)
  local order, kept = redis.call('HGET', key, 'o') or '', {}
  for at = 1, #order, 64 do
    local other = string.sub(order, at, at + 63)
    if other ~= id then kept[#kept + 1] = other end
  end
  kept[#kept + 1] = id
  while #kept > tonumber(ARGV[7]) do
    local oldest = table.remove(kept, 1)
    redis.call('HDEL', key, 'v:' .. oldest, 'b:' .. oldest)
  end
  redis.call('HSET', key, 'o', table.concat(kept))
end
if body ~= '' then redis.call('HSET', key, id == '' and 'b' or 'b:' .. id, body) end
local at = string.format('%.0f', expires)
redis.call('HSET', key, 'x', at)
redis.call('PEXPIREAT', key, at)
return 1
