#!lua name=penstock
local REPLAY = 1
local KEY_CONFLICT = 2
local NO_REPLAY = 3
local RATE_LIMITED = 4
local BUYER_LIMIT = 5
local SOLD_OUT = 6
local UNKNOWN_SALE = 7
local FENCED = 8
local FULL = 9
local NO_ORDER = 12
local ALREADY = 13
local REFUSED = 14
local BUSY = 15
local ENDED = 16
local STALE = 100
local OUT_OF_RANGE = 101
local MOVES = {{{0, 2}, {0, 3}, {2, 1}, {0, 4}, {0, 1}, }, {{1, 2}, {2, 2}, {0, 3}, {2, 2}, {2, 2}, }, {{2, 3}, {1, 3}, {1, 3}, {2, 3}, {2, 3}, }, {{2, 4}, {2, 4}, {2, 4}, {1, 4}, {2, 4}, }, }
-- The stock inside Redis: the library `penstock`. src/stock/redis.c tells the whole picture; redis_library.c puts the first line and the
-- tables that come from C (MOVES, the outcomes) in front of this, and loads it.
--
-- A sale's keys, behind its name {ps:NUMBER}:
--   :m  hash    what the sale is: epoch, state, reign, run_id, replid, limit, rate_requests, rate_ms, lots, over
--   :l  string  its lots, LOT_SIZE bytes each
--   :o  hash    order id -> its record
--   :k  hash    "buyer key" -> order id
--   :b  hash    buyer -> orders * 10000 + live units
--   :n  string  every buyer's name and a newline, in the order of their first grants
--   :h  zset    holds: exactly the orders that are held, durable and not settling, by deadline
--   :x  zset    the outbox: an order's id, or "m" and a movement's id, by the time of the last try
--   :p  hash    order id -> the settlement of it that is on its way
--   :v  hash    movement id -> its record
--   :r:NUMBER   hash    buyer -> the times of its last requests; one a window, forgotten when two have passed
--
-- An order's record: state, flags, buyer_units, hold, first hold | lot, quantity, buyer | and, until it is durable, time, key, actor, trace.
--
-- Every function reads what it needs for its whole batch in a few commands, decides in Lua, and writes with a few commands at the end, so
-- that a call costs some tens of commands, not some for each item, and that an error changes nothing.

-- Set by the first call: while a library is loaded they are not there yet.
local call, pack, unpack_bin, floor, sub, concat
local function awake()
	call, pack, unpack_bin, floor, sub, concat = redis.call, struct.pack, struct.unpack, math.floor, string.sub, table.concat
end

local VERSION = 1
local LOT, LOT_SIZE = '<IIIIIII', 28
local RECORD, RECORD_HEAD, HEAD_SIZE = '<BBHi8i8HHBc0', '<BBHi8i8', 20
local HELD, CONFIRMED, CANCELLED, EXPIRED = 1, 2, 3, 4
local RESERVED, EV_CONFIRMED, EV_CANCELLED, EV_REFUNDED, EV_EXPIRED, EV_EXTENDED, EV_WITHDRAWN = 1, 2, 3, 4, 5, 6, 7
local CONFIRM, CANCEL, REFUND, EXPIRE, EXTEND = 1, 2, 3, 4, 5
local EVENT_OF = {EV_CONFIRMED, EV_CANCELLED, EV_REFUNDED, EV_EXPIRED, EV_EXTENDED}
local SETTLING, DURABLE, COUNTED, CLAIMED = 1, 2, 4, 8       -- flags of a record
local REPLAY_ONLY, UNLIMITED = 1, 2                           -- flags of a request
local FORGET_BUYER, RETURN_EARLY, UNDO_CLAIMED, IGNORE_FENCE = 1, 2, 4, 8 -- rules that a test build breaks on purpose
local NAMES_CHUNK = 1048576
local NAMES_MAX = 500 * 1048576 -- below the longest string that Redis takes

-- In no file and on no replica: gone after a restart, a promotion, a reload, a flush. A sale that was armed under another is fenced.
local reign
local test_ms -- a test's clock; a release has no way to set it

local function has(flags, bit_value)
	return floor(flags / bit_value) % 2 == 1
end

local function clock_ms()
	if test_ms then
		return test_ms
	end
	local t = call('TIME')
	return t[1] * 1000 + floor(t[2] / 1000)
end

-- The sale, where this call may use it; else nil and what to answer. `state` is the one that it must be in.
local function enter(keys, args, state)
	local key = keys[1]
	local version, known, names_epoch, names_from, outbox_max, broken, run_id, replid = unpack_bin('<BIIi8IBc40c40', args[1])
	if version ~= VERSION then
		return nil, redis.error_reply('PSVERSION this is library version ' .. VERSION)
	end
	local m = call('HMGET', key .. ':m', 'epoch', 'state', 'reign', 'run_id', 'replid', 'limit', 'rate_requests', 'rate_ms', 'lots')
	if not m[1] then
		return nil, pack('<BI', known == 0 and UNKNOWN_SALE or FENCED, 0)
	end
	local epoch = tonumber(m[1])
	local same_reign = reign and m[3] == reign and m[4] == run_id and m[5] == replid
	if (epoch < known or not same_reign) and not has(broken, IGNORE_FENCE) then
		return nil, pack('<BI', FENCED, epoch)
	end
	if m[2] ~= state then
		return nil, pack('<BI', FENCED, epoch)
	end
	return {
		key = key, now = clock_ms(), epoch = epoch, limit = tonumber(m[6]), rate_requests = tonumber(m[7]), rate_ms = tonumber(m[8]),
		lot_count = tonumber(m[9]), lots = {}, outbox_max = outbox_max, broken = broken,
		names_from = names_epoch == epoch and names_from or 0,
	}
end

local function lot_of(sale, number)
	local lot = sale.lots[number]
	if not lot then
		local raw = call('GETRANGE', sale.key .. ':l', number * LOT_SIZE, number * LOT_SIZE + LOT_SIZE - 1)
		lot = {}
		lot.available, lot.held, lot.confirmed, lot.withdrawn, lot.allocated, lot.version, lot.revision = unpack_bin(LOT, raw)
		sale.lots[number] = lot
	end
	return lot
end

local function lot_pack(lot)
	return pack(LOT, lot.available, lot.held, lot.confirmed, lot.withdrawn, lot.allocated, lot.version, lot.revision)
end

-- Writes the lots that were changed; returns what every answer begins with: the sale as it is now.
local function finish(sale)
	local parts, count = {}, 0
	for number, lot in pairs(sale.lots) do
		if lot.changed then
			lot.revision = lot.revision + 1
			call('SETRANGE', sale.key .. ':l', number * LOT_SIZE, lot_pack(lot))
		end
		count = count + 1
		parts[count] = pack('<H', number) .. lot_pack(lot)
	end
	local first = call('ZRANGE', sale.key .. ':h', 0, 0, 'WITHSCORES')
	return pack('<BIIi8i8HH', 0, sale.epoch, sale.limit, sale.now, first[2] or 0, sale.lot_count, count) .. concat(parts)
end

-- The names that the caller has not heard of.
local function names_since(sale, from)
	local total = call('STRLEN', sale.key .. ':n')
	local chunk = from < total and call('GETRANGE', sale.key .. ':n', from, from + NAMES_CHUNK - 1) or ''
	return pack('<i8i8I', from, total, #chunk) .. chunk
end

-- A command with all its arguments, where it has any. Lua passes some thousands at once and no more; a batch stays far below.
local function write(list)
	if #list > 2 then
		call(unpack(list))
	end
end

-- The records of these orders, read in one command; `ids` begins with the command and the key.
local function records_of(ids)
	local found, records = call(unpack(ids)), {}
	for i = 1, #found do
		records[ids[i + 2]] = found[i]
	end
	return records
end

local function return_units(lot, quantity, confirmed)
	if confirmed then
		lot.confirmed = lot.confirmed - quantity
	else
		lot.held = lot.held - quantity
	end
	lot.available = lot.available + quantity
	lot.version = lot.version + 1
	lot.changed = true
end
-- The purchase decision: step 7 of the way of a purchase, for a whole batch.

local function order_text(id, record)
	local state, flags, _, hold, first, lot, quantity = unpack_bin('<BBHi8i8HH', record)
	return id .. pack('<BBi8i8HH', state, flags, hold, first, lot, quantity)
end

-- The times in a window's text that still count: it is sorted, eight bytes each.
local function window_prune(text, after)
	local from = 1
	while from < #text and unpack_bin('<i8', text, from) <= after do
		from = from + 8
	end
	return from > 1 and sub(text, from) or text
end

local function windows_of(sale, buyers)
	local windows = {}
	if sale.rate_requests == 0 then
		return windows
	end
	local bucket = floor(sale.now / sale.rate_ms)
	local after = sale.now - sale.rate_ms
	sale.rate_key = sale.key .. ':r:' .. bucket
	buyers[2] = sale.rate_key
	local current = call(unpack(buyers))
	buyers[2] = sale.key .. ':r:' .. (bucket - 1)
	local former = call(unpack(buyers))
	for i = 1, #current do
		windows[buyers[i + 2]] = window_prune(current[i] or former[i] or '', after)
	end
	return windows
end

-- What an earlier order of this request is answered with.
local function replay(id, record, buyer, lot, quantity, left)
	local _, _, _, _, _, its_lot, its_quantity, owner = unpack_bin(RECORD, record)
	if owner ~= buyer or its_lot ~= lot or its_quantity ~= quantity then
		return pack('<BB', KEY_CONFLICT, left)
	end
	return pack('<BB', REPLAY, left) .. order_text(id, record)
end

-- Writes what a batch has granted and counted. False, and nothing is written, where the list of names is full.
local function reserve_write(sale, granted, windows)
	local key = sale.key
	if #granted.names > 0 then
		granted.names[#granted.names + 1] = ''
		local text = concat(granted.names, '\n')
		if call('STRLEN', key .. ':n') + #text > NAMES_MAX then
			return false
		end
		call('APPEND', key .. ':n', text)
	end
	write(granted.orders)
	write(granted.keys)
	write(granted.outbox)
	local buyers, asked = {'HSET', key .. ':b'}, {'HSET', sale.rate_key}
	for buyer, value in pairs(granted.buyers) do
		buyers[#buyers + 1] = buyer
		buyers[#buyers + 1] = value
	end
	write(buyers)
	for buyer in pairs(granted.asked) do
		asked[#asked + 1] = buyer
		asked[#asked + 1] = windows[buyer]
	end
	if #asked > 2 then
		call(unpack(asked))
		call('PEXPIRE', sale.rate_key, 2 * sale.rate_ms)
	end
	return true
end

local function reserve(keys, args)
	local sale, refusal = enter(keys, args, 'armed')
	if not sale then
		return refusal
	end
	local key, now, limit, rate = sale.key, sale.now, sale.limit, sale.rate_requests
	local q_orders, q_keys, q_buyers = {'HMGET', key .. ':o'}, {'HMGET', key .. ':k'}, {'HMGET', key .. ':b'}
	local items, names = {}, {}
	for i = 2, #args do
		local id, flags, hold, lot, quantity, buyer, _, idem = unpack_bin('<c16BIHHBc0i8Bc0', args[i])
		names[i] = idem ~= '' and buyer .. ' ' .. idem or ''
		items[i] = {id, flags, hold, lot, quantity, buyer}
		q_orders[i + 1], q_keys[i + 1], q_buyers[i + 1] = id, names[i], buyer
	end
	local orders, keyed, known = call(unpack(q_orders)), call(unpack(q_keys)), call(unpack(q_buyers))
	local windows = windows_of(sale, q_buyers)
	local outbox = call('ZCARD', key .. ':x')
	local fresh, fresh_keys, buyers = {}, {}, {}
	local granted = {orders = {'HSET', key .. ':o'}, keys = {'HSET', key .. ':k'}, outbox = {'ZADD', key .. ':x'}, buyers = buyers,
		names = {}, asked = {}}
	local out, sold_out, counts = {}, false, not has(sale.broken, FORGET_BUYER)
	for i = 2, #args do
		local id, flags, hold, lot, quantity, buyer = unpack(items[i])
		local window = windows[buyer]
		local left = window and rate - #window / 8 or 0
		local name = names[i]
		local record = orders[i - 1] or fresh[id]
		local earlier = name ~= '' and (keyed[i - 1] or fresh_keys[name])
		local answer
		if record then
			answer = replay(id, record, buyer, lot, quantity, left)
		elseif earlier then
			answer = replay(earlier, fresh[earlier] or call('HGET', key .. ':o', earlier), buyer, lot, quantity, left)
		elseif flags % 2 == REPLAY_ONLY then
			answer = pack('<BB', NO_REPLAY, left)
		elseif window and left <= 0 and flags < UNLIMITED then
			answer = pack('<BBI', RATE_LIMITED, 0, unpack_bin('<i8', window) + sale.rate_ms - now)
		else
			if window and flags < UNLIMITED then
				windows[buyer] = window .. pack('<i8', now)
				granted.asked[buyer] = true
				left = left - 1
			end
			local value = buyers[buyer] or known[i - 1]
			local live = value and value % 10000 or 0
			local units = lot < sale.lot_count and lot_of(sale, lot)
			if live + quantity > limit then
				answer = pack('<BB', BUYER_LIMIT, left)
			elseif not units or units.available < quantity then
				sold_out = true
				answer = pack('<BBIB', SOLD_OUT, left, units and units.version or 0, units and units.held > 0 and 1 or 0)
			elseif outbox >= sale.outbox_max then
				answer = pack('<BB', FULL, left)
			else
				local state = hold > 0 and HELD or CONFIRMED
				local deadline = hold > 0 and now + hold or 0
				outbox = outbox + 1
				units.available = units.available - quantity
				if hold > 0 then
					units.held = units.held + quantity
				else
					units.confirmed = units.confirmed + quantity
				end
				units.changed = true
				buyers[buyer] = (value or 0) + 10000 + (counts and quantity or 0)
				record = pack(RECORD_HEAD, state, counts and COUNTED or 0, live + quantity, deadline, deadline) .. sub(args[i], 22)
				fresh[id] = record
				local list = granted.orders
				list[#list + 1] = id
				list[#list + 1] = record
				list = granted.outbox
				list[#list + 1] = now
				list[#list + 1] = id
				if name ~= '' then
					fresh_keys[name] = id
					list = granted.keys
					list[#list + 1] = name
					list[#list + 1] = id
				end
				if not value then
					granted.names[#granted.names + 1] = buyer
				end
				answer = pack('<BBBHi8', 0, left, state, live + quantity, deadline)
			end
		end
		out[i - 1] = answer
	end
	if not reserve_write(sale, granted, windows) then
		return pack('<BI', FULL, sale.epoch)
	end
	local head = finish(sale)
	return head .. (sold_out and '\1' .. names_since(sale, sale.names_from) or '\0') .. concat(out)
end
-- What becomes of an order after its grant.

local function found_text(id, record)
	local _, _, _, _, _, _, _, owner = unpack_bin(RECORD, record)
	return order_text(id, record) .. pack('B', #owner) .. owner
end

-- The order leaves for the journal. `rest` is actor and trace, as the caller packed them.
local function send(sale, lists, id, record, kind, at, next_hold, rest)
	local state, flags, units, hold, first, lot, quantity = unpack_bin('<BBHi8i8HH', record)
	local returned = 0
	if kind ~= EV_CONFIRMED and kind ~= EV_EXTENDED and has(sale.broken, RETURN_EARLY) then
		return_units(lot_of(sale, lot), quantity, state == CONFIRMED)
		returned = 1
	end
	record = pack(RECORD_HEAD, state, flags + SETTLING, units, hold, first) .. sub(record, HEAD_SIZE + 1)
	local list = lists.orders
	list[#list + 1] = id
	list[#list + 1] = record
	list = lists.pending
	list[#list + 1] = id
	list[#list + 1] = pack('<Bi8i8B', kind, at, next_hold, returned) .. rest
	list = lists.outbox
	list[#list + 1] = sale.now
	list[#list + 1] = id
	lists.holds[#lists.holds + 1] = id
	return record
end

local function send_lists(key)
	return {orders = {'HSET', key .. ':o'}, pending = {'HSET', key .. ':p'}, outbox = {'ZADD', key .. ':x'}, holds = {'ZREM', key .. ':h'}}
end

local function send_write(lists)
	write(lists.orders)
	write(lists.pending)
	write(lists.outbox)
	write(lists.holds)
end

-- Whether the action may go out now; and the state after it.
local function judge(sale, record, action, grace, extend)
	local state, flags, _, hold = unpack_bin(RECORD_HEAD, record)
	local in_time_only = action == CONFIRM or action == EXTEND
	if has(flags, SETTLING) or not has(flags, DURABLE) then
		return BUSY
	end
	if state == EXPIRED and in_time_only then
		return ENDED
	end
	local move = MOVES[state][action]
	if move[1] ~= 0 then
		return move[1] == 1 and ALREADY or REFUSED
	end
	if state ~= HELD then
		return 0, move[2]
	end
	local late = hold <= sale.now - grace
	if late and in_time_only then
		return ENDED
	end
	if not late and action == EXPIRE then
		return REFUSED
	end
	if action == EXTEND and sale.now + extend <= hold then
		return ALREADY -- an extension never shortens
	end
	return 0, move[2]
end

local function settle(keys, args)
	local sale, refusal = enter(keys, args, 'armed')
	if not sale then
		return refusal
	end
	local ids, lists, out = {'HMGET', sale.key .. ':o'}, send_lists(sale.key), {}
	for i = 2, #args do
		ids[i + 1] = sub(args[i], 1, 16)
	end
	local records = records_of(ids)
	local outbox = call('ZCARD', sale.key .. ':x')
	for i = 2, #args do
		local id, action, at, grace, extend, buyer, rest = unpack_bin('<c16Bi8i8i8Bc0', args[i])
		local record = records[id]
		local owner = record and select(8, unpack_bin(RECORD, record))
		if not record or (buyer ~= '' and buyer ~= owner) then
			out[i - 1] = pack('B', NO_ORDER)
		else
			local outcome, state = judge(sale, record, action, grace, extend)
			if outcome == 0 and outbox >= sale.outbox_max then
				outcome = FULL
			end
			if outcome == 0 then
				local next_hold = action == EXTEND and sale.now + extend or 0
				local told
				outbox = outbox + 1
				record = send(sale, lists, id, record, EVENT_OF[action], at, next_hold, sub(args[i], rest))
				records[id] = record
				told = found_text(id, record)
				-- as it will be
				told = id .. pack('B', state) .. sub(told, 18)
				if action == EXTEND then
					told = sub(told, 1, 18) .. pack('<i8', next_hold) .. sub(told, 27)
				end
				out[i - 1] = pack('B', 0) .. told
			else
				out[i - 1] = pack('B', outcome) .. found_text(id, record)
			end
		end
	end
	send_write(lists)
	return finish(sale) .. concat(out)
end

local function find(keys, args)
	local sale, refusal = enter(keys, args, 'armed')
	if not sale then
		return refusal
	end
	local out = {}
	for i = 2, #args do
		local id, buyer = unpack_bin('<c16Bc0', args[i])
		local record = call('HGET', sale.key .. ':o', id)
		local owner = record and select(8, unpack_bin(RECORD, record))
		if not record or (buyer ~= '' and buyer ~= owner) then
			out[i - 1] = pack('B', NO_ORDER)
		else
			out[i - 1] = pack('B', 0) .. found_text(id, record)
		end
	end
	return finish(sale) .. concat(out)
end

local function expire(keys, args)
	local sale, refusal = enter(keys, args, 'armed')
	if not sale then
		return refusal
	end
	local grace, at, max, rest = unpack_bin('<i8i8I', args[2])
	local room = sale.outbox_max - call('ZCARD', sale.key .. ':x')
	local out, lists = {}, send_lists(sale.key)
	max = max < room and max or room
	if max > 0 then
		local due = call('ZRANGE', sale.key .. ':h', '-inf', sale.now - grace, 'BYSCORE', 'LIMIT', 0, max)
		local ids = {'HMGET', sale.key .. ':o', unpack(due)}
		local records = #due > 0 and records_of(ids) or {}
		for i = 1, #due do
			local record = records[due[i]]
			local lot, quantity = unpack_bin('<HH', record, HEAD_SIZE + 1)
			send(sale, lists, due[i], record, EV_EXPIRED, at, 0, sub(args[2], rest))
			out[i] = due[i] .. pack('<HH', lot, quantity)
		end
	end
	send_write(lists)
	return finish(sale) .. pack('<I', #out) .. concat(out)
end
-- The outbox: what has come to its end, and what nobody has brought to one.

local function end_lists(key)
	return {orders = {'HSET', key .. ':o'}, holds = {'ZADD', key .. ':h'}, done = {'ZREM', key .. ':x'}, pending = {'HDEL', key .. ':p'},
		gone = {'HDEL', key .. ':o'}, keys = {'HDEL', key .. ':k'}, buyers = {}}
end

local function end_write(sale, lists)
	local key = sale.key
	local buyers, strangers = {'HSET', key .. ':b'}, {'HDEL', key .. ':b'}
	write(lists.orders)
	write(lists.holds)
	write(lists.done)
	write(lists.pending)
	write(lists.gone)
	write(lists.keys)
	for buyer, value in pairs(lists.buyers) do
		if value < 10000 then
			strangers[#strangers + 1] = buyer
		else
			buyers[#buyers + 1] = buyer
			buyers[#buyers + 1] = value
		end
	end
	write(buyers)
	write(strangers)
end

local function buyer_value(sale, lists, buyer)
	return lists.buyers[buyer] or tonumber(call('HGET', sale.key .. ':b', buyer) or 0)
end

local function keep(lists, records, id, record)
	local list = lists.orders
	records[id] = record
	list[#list + 1] = id
	list[#list + 1] = record
end

local function hold_again(lists, id, hold)
	local list = lists.holds
	list[#list + 1] = hold
	list[#list + 1] = id
end

local function done(lists, id)
	lists.done[#lists.done + 1] = id
end

-- The journal has the grant: what only its event needed goes.
local function grant_durable(lists, records, id, record)
	local state, flags, units, hold, first, lot, quantity, buyer, rest = unpack_bin(RECORD, record)
	flags = flags % CLAIMED + DURABLE
	keep(lists, records, id, pack(RECORD_HEAD, state, flags, units, hold, first) .. sub(record, HEAD_SIZE + 1, rest - 1))
	if state == HELD then
		hold_again(lists, id, hold)
	end
	done(lists, id)
end

-- The journal has the settlement: it becomes true.
local function settlement_durable(sale, lists, records, id, record, kind, next_hold, returned)
	local state, flags, units, hold, first, lot_number, quantity, buyer = unpack_bin(RECORD, record)
	local lot = lot_of(sale, lot_number)
	flags = flags % CLAIMED - SETTLING
	if kind == EV_CONFIRMED then
		lot.held = lot.held - quantity
		lot.confirmed = lot.confirmed + quantity
		lot.changed = true
		state = CONFIRMED
	elseif kind == EV_EXTENDED then
		hold = next_hold
		hold_again(lists, id, hold)
	else
		if returned == 0 then
			return_units(lot, quantity, state == CONFIRMED)
		end
		if has(flags, COUNTED) then
			lists.buyers[buyer] = buyer_value(sale, lists, buyer) - quantity
			flags = flags - COUNTED
		end
		state = kind == EV_EXPIRED and EXPIRED or CANCELLED
	end
	keep(lists, records, id, pack(RECORD_HEAD, state, flags, units, hold, first) .. sub(record, HEAD_SIZE + 1))
	lists.pending[#lists.pending + 1] = id
	done(lists, id)
end

-- The grant never happened. The request stays in the rate window.
local function grant_undone(sale, lists, records, id, record)
	local state, flags, _, _, _, lot, quantity, buyer, _, key = unpack_bin('<BBHi8i8HHBc0i8Bc0', record)
	return_units(lot_of(sale, lot), quantity, state == CONFIRMED)
	lists.buyers[buyer] = buyer_value(sale, lists, buyer) - 10000 - (has(flags, COUNTED) and quantity or 0)
	records[id] = nil
	lists.gone[#lists.gone + 1] = id
	if key ~= '' then
		lists.keys[#lists.keys + 1] = buyer .. ' ' .. key
	end
	done(lists, id)
end

local function settlement_undone(lists, records, id, record)
	local state, flags, units, hold, first = unpack_bin(RECORD_HEAD, record)
	keep(lists, records, id, pack(RECORD_HEAD, state, flags % CLAIMED - SETTLING, units, hold, first) .. sub(record, HEAD_SIZE + 1))
	if state == HELD then
		hold_again(lists, id, hold)
	end
	lists.pending[#lists.pending + 1] = id
	done(lists, id)
end

-- False: there is something of it, and it stays.
local function movement_end(sale, lists, id, durable)
	local record = call('HGET', sale.key .. ':v', id)
	if not record then
		return true
	end
	local flags, lot_number, quantity = unpack_bin('<BHI', record)
	if flags == 0 or (not durable and has(flags, CLAIMED) and not has(sale.broken, UNDO_CLAIMED)) then
		return false
	end
	if durable then
		call('HSET', sale.key .. ':v', id, pack('<BHI', 0, lot_number, quantity))
	else
		local lot = lot_of(sale, lot_number)
		lot.withdrawn = lot.withdrawn - quantity
		lot.available = lot.available + quantity
		lot.version = lot.version + 1
		lot.changed = true
		call('HDEL', sale.key .. ':v', id)
	end
	done(lists, 'm' .. id)
	return true
end

-- An order's grant or settlement. False: there is something of it, and it stays.
local function order_end(sale, lists, records, pending, id, kind, hold, durable)
	local record = records[id]
	if not record then
		return true
	end
	local flags = select(2, unpack_bin('BB', record))
	if not durable and has(flags, CLAIMED) and not has(sale.broken, UNDO_CLAIMED) then
		return false
	end
	if kind == RESERVED then
		if has(flags, DURABLE) then
			return false
		end
		if durable then
			grant_durable(lists, records, id, record)
		else
			grant_undone(sale, lists, records, id, record)
		end
		return true
	end
	if not has(flags, SETTLING) or not pending then
		return false
	end
	local its_kind, _, next_hold, returned = unpack_bin('<Bi8i8B', pending)
	if its_kind ~= kind or (kind == EV_EXTENDED and next_hold ~= hold) then
		return false
	end
	if durable then
		settlement_durable(sale, lists, records, id, record, kind, next_hold, returned)
	else
		settlement_undone(lists, records, id, record)
	end
	return true
end

-- What has come to its end: acknowledged (durable), or compensated. The answer has a byte for each: 1 where nothing else is left of it.
local function settle_ends(keys, args, durable)
	local sale, refusal = enter(keys, args, 'armed')
	if not sale then
		return refusal
	end
	local ids, q_pending, lists = {'HMGET', sale.key .. ':o'}, {'HMGET', sale.key .. ':p'}, end_lists(sale.key)
	for i = 2, #args do
		local id = sub(args[i], 1, 16)
		ids[i + 1], q_pending[i + 1] = id, id
	end
	local records, pending, ends = records_of(ids), call(unpack(q_pending)), {}
	for i = 2, #args do
		local id, kind, epoch, hold = unpack_bin('<c16BIi8', args[i])
		local ended
		if epoch ~= sale.epoch then
			ended = false -- of an old reign: what became of it is the journal's to say
		elseif kind == EV_WITHDRAWN then
			ended = movement_end(sale, lists, id, durable)
		else
			ended = order_end(sale, lists, records, pending[i - 1], id, kind, hold, durable)
		end
		ends[i - 1] = ended and '\1' or '\0'
	end
	end_write(sale, lists)
	return finish(sale) .. concat(ends)
end

local function acknowledge(keys, args)
	return settle_ends(keys, args, true)
end

local function compensate(keys, args)
	return settle_ends(keys, args, false)
end

-- Whoever asks owns the entries from now on: nobody else takes them for as long, and nobody compensates them.
local function claim_order(sale, lists, id)
	local record = call('HGET', sale.key .. ':o', id)
	if not record then
		return nil
	end
	local state, flags, units, hold, first = unpack_bin(RECORD_HEAD, record)
	local rest = sub(record, HEAD_SIZE + 1)
	keep(lists, {}, id, pack(RECORD_HEAD, state, flags % CLAIMED + CLAIMED, units, hold, first) .. rest)
	if not has(flags, DURABLE) then
		return pack('B', RESERVED) .. id .. pack('<Hi8', units, first) .. rest
	end
	local settlement = call('HGET', sale.key .. ':p', id)
	local lot, quantity = unpack_bin('<HH', rest)
	return sub(settlement, 1, 1) .. id .. pack('<HH', lot, quantity) .. sub(settlement, 2)
end

local function claim_movement(sale, id)
	local record = call('HGET', sale.key .. ':v', id)
	if not record then
		return nil
	end
	call('HSET', sale.key .. ':v', id, pack('B', unpack_bin('B', record) % CLAIMED + CLAIMED) .. sub(record, 2))
	return pack('B', EV_WITHDRAWN) .. id .. sub(record, 2)
end

local function claim(keys, args)
	local sale, refusal = enter(keys, args, 'armed')
	if not sale then
		return refusal
	end
	local age, max = unpack_bin('<i8I', args[2])
	local lists, out, again = end_lists(sale.key), {}, {'ZADD', sale.key .. ':x'}
	local old = call('ZRANGE', sale.key .. ':x', '-inf', string.format('(%.0f', sale.now - age), 'BYSCORE', 'LIMIT', 0, max)
	for i = 1, #old do
		local text
		if #old[i] == 16 then
			text = claim_order(sale, lists, old[i])
		else
			text = claim_movement(sale, sub(old[i], 2))
		end
		if text then
			out[#out + 1] = text
			again[#again + 1] = sale.now
			again[#again + 1] = old[i]
		else
			done(lists, old[i])
		end
	end
	end_write(sale, lists)
	write(again)
	local oldest = call('ZRANGE', sale.key .. ':x', 0, 0, 'WITHSCORES')
	return finish(sale) .. pack('<i8I', oldest[2] or 0, #out) .. concat(out)
end
-- Units that come and go by an operator.

local function allocate(keys, args)
	local sale, refusal = enter(keys, args, 'armed')
	if not sale then
		return refusal
	end
	local number, allocated = unpack_bin('<HI', args[2])
	local lot = lot_of(sale, number)
	if allocated > lot.allocated then
		lot.available = lot.available + allocated - lot.allocated
		lot.allocated = allocated
		lot.version = lot.version + 1
		lot.changed = true
	end
	return finish(sale)
end

local function withdraw(keys, args)
	local sale, refusal = enter(keys, args, 'armed')
	if not sale then
		return refusal
	end
	local id, number, units, rest = unpack_bin('<c16HI', args[2])
	local known = call('HGET', sale.key .. ':v', id)
	local lot, taken = lot_of(sale, number), 0
	if known then -- done before: told again once it is durable
		local flags, its_lot, quantity = unpack_bin('<BHI', known)
		return finish(sale) .. pack('<HI', its_lot, flags == 0 and quantity or 0)
	end
	if call('ZCARD', sale.key .. ':x') >= sale.outbox_max then
		return pack('<BI', FULL, sale.epoch)
	end
	taken = units < lot.available and units or lot.available
	if taken > 0 then
		lot.available = lot.available - taken
		lot.withdrawn = lot.withdrawn + taken
		lot.changed = true
		call('HSET', sale.key .. ':v', id, pack('<BHI', 1, number, taken) .. sub(args[2], rest))
		call('ZADD', sale.key .. ':x', sale.now, 'm' .. id)
	end
	return finish(sale) .. pack('<HI', number, taken)
end
-- A sale's life: begun, loaded, armed, looked at, dropped.

local function forget(key, rate_ms)
	local now = clock_ms()
	local doomed = {'UNLINK', key .. ':m', key .. ':l', key .. ':o', key .. ':k', key .. ':b', key .. ':n', key .. ':h', key .. ':x',
		key .. ':p', key .. ':v'}
	if rate_ms and rate_ms > 0 then
		doomed[#doomed + 1] = key .. ':r:' .. floor(now / rate_ms)
		doomed[#doomed + 1] = key .. ':r:' .. (floor(now / rate_ms) - 1)
	end
	call(unpack(doomed))
end

local function begin(keys, args)
	local key = keys[1]
	local version, known = unpack_bin('<BI', args[1])
	local run_id, replid = sub(args[1], -80, -41), sub(args[1], -40)
	local epoch, limit, rate_requests, rate_ms, lots, token = unpack_bin('<IIIIIc32', args[2])
	local m = call('HMGET', key .. ':m', 'epoch', 'rate_ms')
	if version ~= VERSION then
		return redis.error_reply('PSVERSION this is library version ' .. VERSION)
	end
	if epoch < known or (m[1] and tonumber(m[1]) > epoch) then
		return pack('<BI', STALE, m[1] or 0)
	end
	forget(key, tonumber(m[2] or 0))
	reign = reign or token
	call('HSET', key .. ':m', 'epoch', epoch, 'state', 'loading', 'reign', reign, 'run_id', run_id, 'replid', replid, 'limit', limit,
		'rate_requests', rate_requests, 'rate_ms', rate_ms, 'lots', lots)
	call('SET', key .. ':l', string.rep(pack(LOT, 0, 0, 0, 0, 0, 1, 0), lots))
	return pack('<BI', 0, epoch)
end

-- The sale that this caller has begun with `epoch`.
local function enter_loading(keys, args, epoch)
	local sale, refusal = enter(keys, args, 'loading')
	local its_epoch = sale and sale.epoch or tonumber(call('HGET', keys[1] .. ':m', 'epoch') or 0)
	if its_epoch > epoch then
		return nil, pack('<BI', STALE, its_epoch)
	end
	return sale, refusal
end

local function load(keys, args)
	local sale, refusal = enter_loading(keys, args, unpack_bin('<I', args[2]))
	if not sale then
		return refusal
	end
	local key = sale.key
	local ids, q_buyers, lists = {'HMGET', key .. ':o'}, {'HMGET', key .. ':b'}, end_lists(key)
	local names, keyed, over = {}, {'HSET', key .. ':k'}, false
	for i = 3, #args do
		local id, lot, quantity, _, _, _, buyer = unpack_bin('<c16HHBi8i8Bc0', args[i])
		if lot >= sale.lot_count or quantity == 0 then
			return pack('<BI', OUT_OF_RANGE, sale.epoch)
		end
		ids[i], q_buyers[i] = id, buyer
	end
	local records, known = records_of(ids), call(unpack(q_buyers))
	for i = 3, #args do
		local id, lot_number, quantity, state, hold, first, buyer, idem = unpack_bin('<c16HHBi8i8Bc0Bc0', args[i])
		if not records[id] then
			local live = state == HELD or state == CONFIRMED
			local value = lists.buyers[buyer] or known[i - 2]
			if not value then
				names[#names + 1] = buyer .. '\n'
				value = 0
			end
			value = value + 10000
			if live then
				local lot = lot_of(sale, lot_number)
				local which = state == HELD and 'held' or 'confirmed'
				lot[which] = lot[which] + quantity
				lot.changed = true
				over = over or value % 10000 + quantity > sale.limit
				value = value + quantity
			end
			lists.buyers[buyer] = value
			keep(lists, records, id, pack('<BBHi8i8HHB', state, DURABLE + (live and COUNTED or 0), 0, hold, first, lot_number, quantity,
				#buyer) .. buyer)
			if state == HELD then
				hold_again(lists, id, hold)
			end
			if idem ~= '' then
				keyed[#keyed + 1] = buyer .. ' ' .. idem
				keyed[#keyed + 1] = id
			end
		end
	end
	call('APPEND', key .. ':n', concat(names))
	end_write(sale, lists)
	write(keyed)
	if over then
		call('HSET', key .. ':m', 'over', 1)
	end
	return finish(sale)
end

local function arm(keys, args)
	local sale, refusal = enter_loading(keys, args, unpack_bin('<I', args[2]))
	if not sale then
		return refusal
	end
	local over = call('HGET', sale.key .. ':m', 'over')
	for i = 3, #args do
		local lot = lot_of(sale, i - 3)
		lot.allocated, lot.withdrawn = unpack_bin('<II', args[i])
		lot.available = lot.allocated - lot.withdrawn - lot.held - lot.confirmed
		lot.changed = true
		over = over or lot.available < 0
	end
	if over then
		return pack('<BI', OUT_OF_RANGE, sale.epoch)
	end
	call('HSET', sale.key .. ':m', 'state', 'armed')
	return finish(sale) .. names_since(sale, 0) .. pack('<H', sale.lot_count) .. call('GET', sale.key .. ':l')
end

-- Needs no reign: what is forgotten harms nobody. But for a sale that has a newer epoch.
local function drop(keys, args)
	local epoch = unpack_bin('<I', args[2])
	local m = call('HMGET', keys[1] .. ':m', 'epoch', 'rate_ms')
	if not m[1] or tonumber(m[1]) <= epoch then
		forget(keys[1], tonumber(m[2] or 0))
	end
	return pack('<BI', 0, 0)
end

local function refresh(keys, args)
	local sale, refusal = enter(keys, args, 'armed')
	if not sale then
		return refusal
	end
	local key = sale.key
	local oldest = call('ZRANGE', key .. ':x', 0, 0, 'WITHSCORES')
	return finish(sale) .. pack('<i8III', oldest[2] or 0, call('ZCARD', key .. ':x'), call('HLEN', key .. ':o'), call('HLEN', key .. ':b')) ..
		names_since(sale, sale.names_from) .. pack('<H', sale.lot_count) .. call('GET', key .. ':l')
end

-- Which commands of the functions the caller's user may not use: a function that found out in the middle would have written half.
local function check(keys)
	local key, missing = keys[1], {}
	local commands = {{'TIME'}, {'GET', key}, {'SET', key, 0}, {'GETRANGE', key, 0, 0}, {'SETRANGE', key, 0, 0}, {'STRLEN', key},
		{'APPEND', key, 0}, {'HGET', key, 0}, {'HMGET', key, 0}, {'HSET', key, 0, 0}, {'HDEL', key, 0}, {'HLEN', key},
		{'ZADD', key, 0, 0}, {'ZREM', key, 0}, {'ZRANGE', key, 0, 0}, {'ZCARD', key}, {'UNLINK', key}, {'PEXPIRE', key, 1}}
	for i = 1, #commands do
		if not redis.acl_check_cmd(unpack(commands[i])) then
			missing[#missing + 1] = '+' .. string.lower(commands[i][1])
		end
	end
	return concat(missing, ' ')
end

-- What only reads still counts as a write, so that a server which has become a replica says so. What frees memory or ends work goes on
-- where memory is full.
local function register(name, callback, flags)
	local function run(keys, args)
		if not call then
			awake()
		end
		return callback(keys, args)
	end
	redis.register_function{function_name = 'penstock_' .. name, callback = run, flags = flags}
end
register('reserve', reserve, {})
register('settle', settle, {'allow-oom'})
register('find', find, {'allow-oom'})
register('expire', expire, {'allow-oom'})
register('acknowledge', acknowledge, {'allow-oom'})
register('compensate', compensate, {'allow-oom'})
register('claim', claim, {'allow-oom'})
register('allocate', allocate, {'allow-oom'})
register('withdraw', withdraw, {})
register('begin', begin, {})
register('load', load, {})
register('arm', arm, {'allow-oom'})
register('drop', drop, {'allow-oom'})
register('refresh', refresh, {'allow-oom'})
register('check', check, {'no-writes'})
