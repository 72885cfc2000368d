-- A purchase in one step, inside Redis: a retry gets its order again; so many requests a buyer and
-- window; one unit a buyer; a unit less; a stream entry, from which somebody would fill a ledger.
--
--   KEYS  units, the key of the request, the buyer, the buyer's window, the stream
--   ARGV  the order's id, the buyer, the idempotency key, requests a window, its milliseconds, seconds for which buyers and keys are remembered
--
-- Says the status of the answer, and behind a 202 the order's id.

local order = redis.call("GET", KEYS[2])
if order then
	return "202 " .. order
end

local requests = redis.call("INCR", KEYS[4])
if requests == 1 then
	redis.call("PEXPIRE", KEYS[4], ARGV[5])
end
if requests > tonumber(ARGV[4]) then
	return "429"
end

if redis.call("EXISTS", KEYS[3]) == 1 then
	return "409"
end
if tonumber(redis.call("GET", KEYS[1]) or "0") < 1 then
	return "410"
end

redis.call("DECR", KEYS[1])
redis.call("SET", KEYS[3], ARGV[1], "EX", ARGV[6])
redis.call("SET", KEYS[2], ARGV[1], "EX", ARGV[6])
redis.call("XADD", KEYS[5], "*", "order", ARGV[1], "buyer", ARGV[2], "key", ARGV[3])
return "202 " .. ARGV[1]
