-- The gate: one call of the script for each request, over connections that are kept. The buyer is
-- told what Redis said, and Redis answers when its append-only file says that it may (appendfsync
-- always: when it is on the disk).

local gate = {}
local port, sha, sequence

-- Once, before the first request: where Redis is, and which script (its SHA-1, which Redis has been
-- given).
function gate.init(redis_port, script)
	port, sha, sequence = redis_port, script, 0
end

local function new_order()
	sequence = sequence + 1
	return string.format("%013x-%05d-%012x", ngx.now() * 1000, ngx.worker.pid(), sequence)
end

local function word(text)
	return "$" .. #text .. "\r\n" .. text .. "\r\n"
end

-- What Redis says to a command; nil and why not.
local function ask(...)
	local words, socket = { ... }, ngx.socket.tcp()
	local parts = { "*" .. #words .. "\r\n" }
	for i, text in ipairs(words) do
		parts[i + 1] = word(text)
	end
	socket:settimeouts(1000, 1000, 5000)
	local ok, why = socket:connect("127.0.0.1", port)
	if not ok then
		return nil, why
	end
	ok, why = socket:send(parts)
	local line = ok and socket:receive("*l")
	if not line or line:sub(1, 1) ~= "$" then
		socket:close()
		return nil, line or why
	end
	local said = socket:receive(tonumber(line:sub(2)) + 2)
	socket:setkeepalive(60000, 1024)
	return said and said:sub(1, -3)
end

function gate.purchase()
	local headers, sale = ngx.req.get_headers(), ngx.var.sale
	local buyer, key = headers["X-Buyer-Id"], headers["Idempotency-Key"]
	ngx.req.read_body()
	if not buyer or not key or ngx.req.get_body_data() ~= '{"quantity":1}' then
		return ngx.exit(400)
	end
	local at = "{" .. sale .. "}:"
	local said, why = ask("EVALSHA", sha, "5", at .. "units", at .. "key:" .. key, at .. "buyer:" .. buyer, at .. "window:" .. buyer,
		at .. "orders", new_order(), buyer, key, "5", "10000", "86400")
	if not said then
		ngx.log(ngx.ERR, "redis: ", why)
		return ngx.exit(503)
	end
	ngx.status = tonumber(said:sub(1, 3))
	ngx.header["Content-Type"] = "application/json"
	local body = string.format('{"id":"%s","sale":"%s","buyer":"%s","quantity":1,"state":"accepted"}', said:sub(5), sale, buyer)
	ngx.header["Content-Length"] = #body
	ngx.print(body)
end

return gate
