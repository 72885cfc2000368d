-- wrk's part: sends the requests of a file, each once. They are made beforehand, and read as they
-- are sent: as strings of one length that differ in a few places, kept all at once, they are what
-- the hash of some LuaJITs is worst at.
--
--   wrk ... -s load.lua URL -- FILE SIZE        every request in FILE is SIZE bytes
--
-- The last line of the output is a JSON object with what happened.

local file, size
local worker -- in wrk's own state, where setup() and done() run; the rest runs in the worker's

function setup(thread)
	worker = thread
end

function init(arguments)
	file = assert(io.open(arguments[1], "rb"))
	file:setvbuf("full", 1048576)
	size = tonumber(arguments[2])
	cpu_started = os.clock() -- global, so that done() can ask for it
end

function request()
	local request = file:read(size)
	if not request then
		file:seek("set")
		request = file:read(size)
	end
	return request
end

function done(summary, latency)
	local errors = summary.errors

	io.write(string.format('{"requests":%d,"microseconds":%d,"refused":%d,"errors":%d,"p50_us":%d,"p99_us":%d,"cpu":%.3f}\n',
		summary.requests, summary.duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
		latency:percentile(50), latency:percentile(99), os.clock() - worker:get("cpu_started")))
end
