-- The purchase decision: step 7 of the way of a purchase, for a whole batch.

local function order_text(sale, id, record)
	local state, _, _, hold, first, _, _, lot = unpack_bin(RECORD, record)
	return id .. pack('<BBi8i8HHH', state, flags_of(sale, record), hold, first, lot, units_of(record))
end

-- What only a purchase needs is named here alone: Lua counts the names of a text.
local reserve
do
	-- The times of a buyer's grants that still count.
	local function times_prune(buyer, after)
		local times, from = buyer.times, 1
		while from < #times and unpack_bin('<i8', times, from) <= after do
			from = from + 8
		end
		if from > 1 then
			buyer.times = sub(times, from)
		end
	end

	-- What an earlier order of this request is answered with.
	local function replay(sale, id, record, buyer, lot, quantity, labels, left)
		local _, _, _, _, _, _, _, its_lot, _, owner = unpack_bin(RECORD, record)
		if owner ~= buyer or its_lot ~= lot or select(2, units_of(record)) ~= quantity or labels_of(record) ~= labels then
			return pack('<BB', KEY_CONFLICT, left)
		end
		return pack('<BB', REPLAY, left) .. order_text(sale, id, record)
	end

	-- The live orders of a buyer who has had as many as it may: those that the journal has,
	-- newest first. (What this batch has granted it has not.)
	local function live_orders(sale, buyer)
		local records, ids = newest_records(sale.key, buyer)
		local out = {}
		for i = 3, #ids do
			local record = records[ids[i]]
			local state = record and byte(record)
			if (state == HELD or state == CONFIRMED) and has(flags_of(sale, record), DURABLE) then
				out[#out + 1] = ids[i]
			end
		end
		return pack('B', #out) .. concat(out)
	end

	-- Lists that every call fills from the front and none empties: how much of them is meant
	-- `count` of what is read, and of what is granted, say. Made anew they would grow anew with
	-- each call, and be garbage behind it.
	local NAMES, HEADS, KEYED, IDS, STARTS, OUT = {'HMGET'}, {}, {}, {}, {}, {}
	local ORDERS, BUYERS, HOLDING, NEWCOMERS = {'HSET'}, {'HSET'}, {}, {}

	-- The record that this batch has made of this id and not written yet.
	local function granted_record(granted, id)
		for at = 3, 2 * granted.count + 1, 2 do
			if ORDERS[at] == id then
				return ORDERS[at + 1]
			end
		end
	end

	-- The order that this request was given earlier: its id, or nil. `granted`: what this batch
	-- has not written yet.
	local function earlier_order(sale, buyer, name, id, keyed, granted)
		local key = sub(keyed, 2)
		local earlier, others = newest_find(buyer, id, key)
		if earlier or not others then
			return earlier
		end
		if granted_record(granted, id) or call('HGET', sale.key .. ':o', id) then
			return id
		end
		if key == '' then
			return nil
		end
		local spilled = name .. ' ' .. key
		for at = 3, #granted.keys, 2 do
			if granted.keys[at] == spilled then
				return granted.keys[at + 1]
			end
		end
		return call('HGET', sale.key .. ':k', spilled)
	end

	-- What the events of the grants carry: as a rule the whole call, as it came.
	local function events_text(requests, count, grants)
		if grants == count then
			return requests
		end
		local parts = {}
		for i = 1, count do
			if byte(OUT[i]) == 0 then
				parts[#parts + 1] = sub(requests, STARTS[i], STARTS[i + 1] - 1)
			end
		end
		return concat(parts)
	end

	-- Their holds: those that end together, as nearly all of a batch do, are one entry.
	local function holds_write(sale, granted)
		local key, holds = sale.key, granted.holds
		if granted.held > 1 then
			call('HSET', key .. ':w', granted.batch, concat(HOLDING, '', 1, granted.held))
			holds[#holds + 1] = granted.deadline
			holds[#holds + 1] = granted.batch
		elseif granted.held == 1 then
			holds[#holds + 1] = granted.deadline
			holds[#holds + 1] = HOLDING[1]
		end
		write(holds)
	end

	-- A hash of few entries is a list, in which each that is added is looked for from end to
	-- end: the first five hundred orders of a sale cost more than thousands later. What is too
	-- long for a list makes it a table, which it stays.
	local TOO_LONG = 65
	local function fields_write(granted, fields)
		local first = granted.batch == 1
		if first then
			call('HSET', fields[2], '', string.rep('-', TOO_LONG))
		end
		call(unpack(fields, 1, 2 * granted.count + 2))
		if first then
			call('HDEL', fields[2], '')
		end
	end

	-- Writes what a batch has granted. False, and nothing is written, where the list of names
	-- is full.
	local function reserve_write(sale, granted, requests, count)
		local key, grants = sale.key, granted.count
		if granted.newcomers > 0 then
			NEWCOMERS[granted.newcomers + 1] = ''
			if not names_append(sale, concat(NEWCOMERS, '\n', 1, granted.newcomers + 1)) then
				return false
			end
		end
		if grants > 0 then
			ORDERS[2], BUYERS[2] = key .. ':o', key .. ':b'
			fields_write(granted, ORDERS)
			write(granted.keys)
			call('HSET', key .. ':y', granted.batch, events_text(requests, count, grants))
			call('HSET', key .. ':s', granted.batch, granted.stamp .. string.rep('\0', grants), 'newest', granted.batch, 'pending',
				granted.pending + grants)
			call('ZADD', key .. ':g', sale.now, granted.batch)
			holds_write(sale, granted)
			fields_write(granted, BUYERS)
		end
		return true
	end

	-- What an order's record has of its place in the batch, and of the size of its buyer's
	-- name: made once, for the calls that follow as well.
	local PLACE_TEXTS, SIZE_TEXTS, SIZE_MAX = {}, {}, 255
	local function make_texts(places)
		for place = #PLACE_TEXTS + 1, places do
			PLACE_TEXTS[place] = pack('<H', place)
		end
		for size = #SIZE_TEXTS + 1, SIZE_MAX do
			SIZE_TEXTS[size] = pack('B', size)
		end
	end

	-- What a request that is granted has in common with the others of its batch that are like
	-- it, which are nearly all: made once.
	--   record  of its order, but its place in the batch and what the request says: lot, quantity, buyer
	--   answer
	--   first   its buyer's field where it had none, but the order
	local function alike(sale, granted, shape, live, left, timed)
		local which = live * 256 + left
		local made = shape.made[which]
		if not made then
			local hold, units, counted = shape.hold, live + shape.quantity, granted.counts and shape.quantity or 0
			local state, deadline = hold > 0 and HELD or CONFIRMED, hold > 0 and sale.now + hold or 0
			made = {
				held = hold > 0, deadline = deadline, units = counted,
				record = pack('<BBHi8i8I', state, granted.counts and COUNTED or 0, units, deadline, deadline, granted.batch),
				answer = pack('<BBBHi8', 0, timed and left - 1 or left, state, units, deadline),
				first = pack('<IB', 10000 + counted, timed and 1 or 0) .. (timed and granted.stamp or ''),
			}
			shape.made[which] = made
		end
		return made
	end

	-- What requests with the same first bytes ask for.
	--   timed  it counts for its buyer's rate
	--   fresh  of a buyer who has no field, and does not ask for what cannot be granted: alike(). Else there is more to look at
	local function shape_of(sale, granted, head)
		local flags, hold, lot, quantity = unpack_bin('<BIHH', head)
		local limited = flags % LABELLED < UNLIMITED
		local shape = {
			flags = flags, hold = hold, lot = lot, quantity = quantity, which = hold > 0 and 'held' or 'confirmed', made = {},
			timed = sale.rate_requests > 0 and limited, stops = granted.stopped and limited, terms = pack('<HH', lot, quantity),
		}
		if flags < LABELLED and flags % 2 ~= REPLAY_ONLY and not shape.stops and quantity <= sale.limit and lot < sale.lot_count then
			shape.fresh = alike(sale, granted, shape, 0, sale.rate_requests, shape.timed)
			shape.units = lot_of(sale, lot)
		end
		granted.shapes[head] = shape
		return shape
	end

	-- Notes an order that is granted, to the i-th request, of a buyer who has a field or with
	-- labels: as reserve() does for all others.
	local function grant(granted, made, shape, units, i, buyer, labels)
		local name, id, grants, text = NAMES[i + 2], IDS[i], granted.count + 1, nil
		if buyer then
			buyer.times = shape.timed and buyer.times .. granted.stamp or buyer.times
			buyer.value = buyer.value + 10000 + made.units
			newest_add(buyer, name, id .. KEYED[i], granted.keys)
			text = buyer_text(buyer)
		else
			granted.newcomers = granted.newcomers + 1
			NEWCOMERS[granted.newcomers] = name
			text = made.first .. id .. KEYED[i]
		end
		local at, quantity, which = 2 * grants + 1, shape.quantity, shape.which -- behind a command and its key
		units.available, units[which], units.changed = units.available - quantity, units[which] + quantity, true
		granted.count, granted.fields[name], OUT[i] = grants, text, made.answer
		BUYERS[at], BUYERS[at + 1] = name, text
		ORDERS[at], ORDERS[at + 1] = id, made.record .. PLACE_TEXTS[grants] .. shape.terms .. SIZE_TEXTS[#name] .. name .. labels
		granted.deadline = granted.deadline or made.held and made.deadline
		if made.held and made.deadline == granted.deadline then
			granted.held = granted.held + 1
			HOLDING[granted.held] = id
		elseif made.held then
			granted.holds[#granted.holds + 1] = made.deadline
			granted.holds[#granted.holds + 1] = id
		end
	end

	local function grants_of(sale)
		local key = sale.key
		local batches = call('HMGET', key .. ':s', 'newest', 'pending')
		return {
			count = 0, held = 0, newcomers = 0, keys = {'HSET', key .. ':k'}, holds = {'ZADD', key .. ':h'}, fields = {}, shapes = {},
			batch = tonumber(batches[1] or 0) + 1, pending = tonumber(batches[2] or 0), stamp = pack('<i8', sale.now),
			counts = not has(sale.broken, BROKEN.FORGET_BUYER), stopped = call('HGET', key .. ':z', 'stopped') == '1',
		}
	end

	-- Each request behind its size: flags, hold, lot, quantity | its buyer's name | the key's
	-- size and the key, as a buyer's field has them, behind how many bytes they are | id | what
	-- else its event carries. How many there are.
	local function read_requests(requests)
		local at, count = 1, 0
		while at <= #requests do
			local size, head, name, keyed, id = unpack_bin('<Hc9Bc0Bc0c16', requests, at)
			count = count + 1
			NAMES[count + 2], HEADS[count], KEYED[count], IDS[count], STARTS[count] = name, head, keyed, id, at
			at = at + 2 + size
		end
		STARTS[count + 1] = at
		return count
	end

	-- The i-th request, where more than its units is to be looked at.
	local function decide(sale, granted, shape, i, field, requests)
		local name, id, rate = NAMES[i + 2], IDS[i], sale.rate_requests
		local flags, lot, quantity, buyer, live, left = shape.flags, shape.lot, shape.quantity, nil, 0, rate
		if field then
			buyer = buyer_read(field)
			times_prune(buyer, sale.now - sale.rate_ms)
			live = buyer.value % 10000
			left = rate > 0 and rate - #buyer.times / 8 or 0
		end
		local earlier = buyer and earlier_order(sale, buyer, name, id, KEYED[i], granted)
		local labels = flags >= LABELLED and sub(requests, STARTS[i + 1] - LABELS_SIZE, STARTS[i + 1] - 1) or ''
		if earlier then
			local record = granted_record(granted, earlier) or call('HGET', sale.key .. ':o', earlier)
			OUT[i] = replay(sale, earlier, record, name, lot, quantity, labels, left)
		elseif flags % 2 == REPLAY_ONLY then
			OUT[i] = pack('<BB', NO_REPLAY, left)
		elseif shape.stops then
			OUT[i] = pack('<BB', PAUSED, left)
		elseif shape.timed and left <= 0 then
			OUT[i] = pack('<BBI', RATE_LIMITED, 0, unpack_bin('<i8', buyer.times) + sale.rate_ms - sale.now)
		elseif live + quantity > sale.limit then
			OUT[i] = pack('<BB', BUYER_LIMIT, left) .. live_orders(sale, buyer or buyer_new())
		else
			local units = lot < sale.lot_count and lot_of(sale, lot)
			if not units or units.available < quantity then
				granted.sold_out = true
				OUT[i] = pack('<BBIB', SOLD_OUT, left, units and units.version or 0, units and units.held > 0 and 1 or 0)
			elseif granted.count >= granted.room then
				OUT[i] = pack('<BB', FULL, left)
			else
				local made = alike(sale, granted, shape, live, left, shape.timed)
				grant(granted, made, shape, units, i, buyer, labels == '' and '' or '\0' .. labels)
			end
		end
	end

	function reserve(keys, args)
		local sale, refusal = enter(keys, args, 'armed')
		if not sale then
			return refusal
		end
		local key, requests = sale.key, args[2]
		local count = read_requests(requests)
		NAMES[2] = key .. ':b'
		local known, granted = call(unpack(NAMES, 1, count + 2)), grants_of(sale)
		local fields, shapes = granted.fields, granted.shapes
		local room = sale.outbox_max - granted.pending - call('ZCARD', key .. ':x')
		granted.room = room
		sale.batches[granted.batch] = granted.stamp -- whoever is told of its grants in this call hears that they are pending
		make_texts(count)
		local grants, newcomers, held, last = 0, 0, 0, nil
		local shape, units, quantity, which, first, record, terms, answer, deadline
		for i = 1, count do
			local head, name = HEADS[i], NAMES[i + 2]
			if head ~= last then
				last, shape = head, shapes[head] or shape_of(sale, granted, head)
				units, quantity, which, terms = shape.units, shape.quantity, shape.which, shape.terms
				if units then
					local made = shape.fresh
					first, record, answer, deadline = made.first, made.record, made.answer, made.held and made.deadline
					granted.deadline = granted.deadline or deadline
				end
			end
			local field = fields[name] or known[i]
			local available = not field and units and (not deadline or deadline == granted.deadline) and units.available or -1
			if available >= quantity and grants < room then
				local id, text = IDS[i], first .. IDS[i] .. KEYED[i]
				grants, newcomers = grants + 1, newcomers + 1
				local at = 2 * grants + 1 -- behind a command and its key
				units.available, units[which], units.changed = available - quantity, units[which] + quantity, true
				fields[name], NEWCOMERS[newcomers], OUT[i] = text, name, answer
				BUYERS[at], BUYERS[at + 1] = name, text
				ORDERS[at], ORDERS[at + 1] = id, record .. PLACE_TEXTS[grants] .. terms .. SIZE_TEXTS[#name] .. name
				if deadline then
					held = held + 1
					HOLDING[held] = id
				end
			else
				granted.count, granted.newcomers, granted.held = grants, newcomers, held
				decide(sale, granted, shape, i, field, requests)
				grants, newcomers, held = granted.count, granted.newcomers, granted.held
			end
		end
		granted.count, granted.newcomers, granted.held = grants, newcomers, held
		if not reserve_write(sale, granted, requests, count) then
			return pack('<BI', FULL, sale.epoch)
		end
		local range, names = '\0', ''
		if granted.sold_out then
			range, names = names_since(sale, sale.names_from)
			range = '\1' .. range
		end
		OUT[0] = finish(sale) .. range .. names .. pack('<I', granted.batch)
		return concat(OUT, '', 0, count)
	end
end
