-- Says whether a key holds an entry, and deletes it with its lease when asked to.
-- ARGV: '1' to delete, a label that the key must carry (else ''), the token of a lease that is left (else '')
local key = KEYS[1]
local kind = redis.call('TYPE', key).ok
if kind == 'none' then return 0 end
if kind ~= 'hash' then
  if ARGV[1] == '1' then redis.call('UNLINK', key) end
  return 0
end
if ARGV[2] ~= '' and not string.find(redis.call('HGET', key, 'g') or '', ARGV[2], 1, true) then return 0 end
local held = 0
if redis.call('HEXISTS', key, 'r') == 1 then
  local t = redis.call('TIME')
  local expires = tonumber(redis.call('HGET', key, 'x') or '0') or 0
  if expires > t[1] * 1000 + math.floor(t[2] / 1000) then held = 1 end
end
if ARGV[1] ~= '1' then return held end
local lease = redis.call('HGET', key, 'l')
if ARGV[3] ~= '' and lease and string.match(lease, '^(%d+):') == ARGV[3] then
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if field ~= 'l' and field ~= 'k' and field ~= 'g' then redis.call('HDEL', key, field) end
  end
else
  redis.call('UNLINK', key)
end
return held
