-- The purchase decision: step 7 of the way of a purchase, for a whole batch.

local function order_text(sale, id, record)
	local state, _, _, hold, first, _, _, lot, quantity = unpack_bin(RECORD, record)
	return id .. pack('<BBi8i8HH', state, flags_of(sale, record), hold, first, lot, quantity)
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
		local _, _, _, _, _, _, _, its_lot, its_quantity, owner = unpack_bin(RECORD, record)
		if owner ~= buyer or its_lot ~= lot or its_quantity ~= quantity or labels_of(record) ~= labels then
			return pack('<BB', KEY_CONFLICT, left)
		end
		return pack('<BB', REPLAY, left) .. order_text(sale, id, record)
	end

	-- The live orders of a buyer who has had as many as it may: those that the journal has, newest first. (What this batch has granted it has not.)
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

	-- The record that this batch has made of this id and not written yet.
	local function granted_record(granted, id)
		local orders = granted.orders
		for at = 3, #orders, 2 do
			if orders[at] == id then
				return orders[at + 1]
			end
		end
	end

	-- The order that this request was given earlier: its id, or nil. `granted`: what this batch has not written yet.
	local function earlier_order(sale, buyer, name, entry, granted)
		local id, key = sub(entry, 1, 16), sub(entry, 18)
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
	local function events_text(requests, starts, places)
		if #places == #starts - 1 then
			return requests
		end
		local parts = {}
		for place = 1, #places do
			local i = places[place]
			parts[place] = sub(requests, starts[i], starts[i + 1] - 1)
		end
		return concat(parts)
	end

	-- Their holds: those that end together, as nearly all of a batch do, are one entry.
	local function holds_write(sale, granted)
		local key, held, holds = sale.key, granted.held, granted.holds
		if #held > 1 then
			call('HSET', key .. ':w', granted.batch, concat(held))
			holds[#holds + 1] = granted.deadline
			holds[#holds + 1] = granted.batch
		elseif #held == 1 then
			holds[#holds + 1] = granted.deadline
			holds[#holds + 1] = held[1]
		end
		write(holds)
	end

	-- Writes what a batch has granted. False, and nothing is written, where the list of names is full.
	local function reserve_write(sale, granted, requests, starts)
		local key = sale.key
		if #granted.names > 0 then
			granted.names[#granted.names + 1] = ''
			if not names_append(sale, concat(granted.names, '\n')) then
				return false
			end
		end
		write(granted.orders)
		write(granted.keys)
		local count = #granted.places
		if count > 0 then
			call('HSET', key .. ':y', granted.batch, events_text(requests, starts, granted.places))
			call('HSET', key .. ':s', granted.batch, granted.stamp .. string.rep('\0', count), 'newest', granted.batch, 'pending', granted.pending + count)
			call('ZADD', key .. ':g', sale.now, granted.batch)
			holds_write(sale, granted)
		end
		write(granted.buyers)
		return true
	end

	local PLACES = {}

	-- What requests with the same first bytes ask for.
	local function shape_of(granted, head)
		local shape = granted.shapes[head]
		if not shape then
			shape = {made = {}}
			shape.flags, shape.hold, shape.lot, shape.quantity = unpack_bin('<BIHH', head)
			granted.shapes[head] = shape
		end
		return shape
	end

	-- What a request that is granted has in common with the others of its batch that are like it, which are nearly all: made once.
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

	-- Notes an order that is granted: its record, its buyer's field and its hold.
	local function grant(granted, made, name, id, buyer, entry, told, timed)
		local orders, buyers, grants, text = granted.orders, granted.buyers, granted.count + 1, nil
		if buyer then
			buyer.times = timed and buyer.times .. granted.stamp or buyer.times
			buyer.value = buyer.value + 10000 + made.units
			newest_add(buyer, name, entry, granted.keys)
			text = buyer_text(buyer)
		else
			granted.names[#granted.names + 1] = name
			text = made.first .. entry
		end
		PLACES[grants] = PLACES[grants] or pack('<H', grants)
		granted.count = grants
		granted.fields[name] = text
		local at = 2 * grants + 1 -- behind a command and its key
		buyers[at], buyers[at + 1] = name, text
		orders[at], orders[at + 1] = id, made.record .. PLACES[grants] .. told
		if made.held then
			granted.deadline = granted.deadline or made.deadline
			if made.deadline == granted.deadline then
				granted.held[#granted.held + 1] = id
			else
				granted.holds[#granted.holds + 1] = made.deadline
				granted.holds[#granted.holds + 1] = id
			end
		end
	end

	local function grants_of(sale, pending, newest)
		local key = sale.key
		return {
			orders = {'HSET', key .. ':o'}, keys = {'HSET', key .. ':k'}, buyers = {'HSET', key .. ':b'}, holds = {'ZADD', key .. ':h'}, held = {},
			fields = {}, names = {}, places = {}, shapes = {}, batch = tonumber(newest or 0) + 1, pending = tonumber(pending or 0), count = 0,
			stamp = pack('<i8', sale.now), counts = not has(sale.broken, FORGET_BUYER),
		}
	end

	function reserve(keys, args)
		local sale, refusal = enter(keys, args, 'armed')
		if not sale then
			return refusal
		end
		local key, now, limit, rate = sale.key, sale.now, sale.limit, sale.rate_requests
		local requests, at, count = args[2], 1, 0
		local names, heads, ids, entries, rests, starts = {'HMGET', key .. ':b'}, {}, {}, {}, {}, {}
		while at <= #requests do
			local size, head, name, id, key_size, rest = unpack_bin('<Hc9Bc0c16B', requests, at)
			count = count + 1
			names[count + 2], heads[count], ids[count], rests[count], starts[count] = name, head, id, rest, at
			entries[count] = sub(requests, rest - 17, rest - 1 + key_size)
			at = at + 2 + size
		end
		starts[count + 1] = at
		local known = call(unpack(names))
		local batches = call('HMGET', key .. ':s', 'newest', 'pending')
		local granted, times_after = grants_of(sale, batches[2], batches[1]), now - sale.rate_ms
		local outbox = granted.pending + call('ZCARD', key .. ':x')
		sale.batches[granted.batch] = granted.stamp -- whoever is told of its grants in this call hears that they are pending
		local out, sold_out, fields, shapes, places = {}, false, granted.fields, granted.shapes, granted.places
		local stopped = call('HGET', key .. ':z', 'stopped') == '1'
		for i = 1, count do
			local name, entry, shape = names[i + 2], entries[i], shapes[heads[i]] or shape_of(granted, heads[i])
			local flags, lot, quantity = shape.flags, shape.lot, shape.quantity
			local field, buyer, live, left = fields[name] or known[i], nil, 0, rate
			if field then
				buyer = buyer_read(field)
				times_prune(buyer, times_after)
				live = buyer.value % 10000
				left = rate > 0 and rate - #buyer.times / 8 or 0
			end
			local earlier = buyer and earlier_order(sale, buyer, name, entry, granted)
			local labels = flags >= LABELLED and sub(requests, starts[i + 1] - LABELS_SIZE, starts[i + 1] - 1) or ''
			local answer
			if earlier then
				answer = replay(sale, earlier, granted_record(granted, earlier) or call('HGET', key .. ':o', earlier), name, lot, quantity, labels,
					left)
			elseif flags % 2 == REPLAY_ONLY then
				answer = pack('<BB', NO_REPLAY, left)
			elseif stopped and flags % LABELLED < UNLIMITED then
				answer = pack('<BB', PAUSED, left)
			elseif rate > 0 and left <= 0 and flags % LABELLED < UNLIMITED then
				answer = pack('<BBI', RATE_LIMITED, 0, unpack_bin('<i8', buyer.times) + sale.rate_ms - now)
			else
				local units = lot < sale.lot_count and lot_of(sale, lot)
				if live + quantity > limit then
					answer = pack('<BB', BUYER_LIMIT, left) .. live_orders(sale, buyer or buyer_new())
				elseif not units or units.available < quantity then
					sold_out = true
					answer = pack('<BBIB', SOLD_OUT, left, units and units.version or 0, units and units.held > 0 and 1 or 0)
				elseif outbox >= sale.outbox_max then
					answer = pack('<BB', FULL, left)
				else
					local timed = rate > 0 and flags % LABELLED < UNLIMITED
					local made, state = alike(sale, granted, shape, live, left, timed), shape.hold > 0 and 'held' or 'confirmed'
					outbox = outbox + 1
					units.available = units.available - quantity
					units[state] = units[state] + quantity
					units.changed = true
					local told = sub(requests, rests[i] - 22 - #name, rests[i] - 18)
					grant(granted, made, name, ids[i], buyer, entry, labels == '' and told or told .. '\0' .. labels, timed)
					places[granted.count] = i
					answer = made.answer
				end
			end
			out[i] = answer
		end
		if not reserve_write(sale, granted, requests, starts) then
			return pack('<BI', FULL, sale.epoch)
		end
		local head = finish(sale)
		return head .. (sold_out and '\1' .. names_since(sale, sale.names_from) or '\0') .. pack('<I', granted.batch) .. concat(out)
	end
end
