-- Tells every node that something was cleared, and leaves nothing behind.
redis.call('SET', KEYS[1], '', 'PX', 1000)
redis.call('DEL', KEYS[1])
return 1
