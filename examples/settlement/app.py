"""A marketplace settles with its shops at the end of a day."""

import sluicegate as sg

app = sg.App("settlement")
orders, checked, tables = app.bucket("orders"), app.bucket("checked"), app.bucket("tables")

#: Thousandths of a euro.
MARKET = {"EUR": 1000, "USD": 862, "JPY": 5, "GBP": 1141}


# A state machine looks at each order that is put.
@app.function(retries=3)
def assess(order):
    order = order.value
    risk = int(order["order"][1:]) * 37 % 100 if order["amount"] > 50_000 else 0
    return {**order, "risk": risk}


check = app.state_machine("check", "check.asl.json")
check_order = app.workflow_function("check_order", check, on=orders.each(), into=checked)

# A DAG asks for the rates of the day's currencies.
with app.dag("rates") as rates:

    @rates.task
    def currencies(day):
        return sorted(day.value["currencies"])

    @rates.task(retries=5)
    def quote(currency):
        return {currency.value: MARKET[currency.value]}

    @rates.task
    def table(quotes):
        return {code: rate for quoted in quotes for code, rate in quoted.value.items()}

    quote.expand(currencies) >> table

make_table = app.workflow_function("make_table", rates, on=app.input.name("input"), into=tables)


# Code pays the shops, once all orders are checked and the rates are there.
@app.function(retries=3)
def pay(due, ctx):
    return {"shop": due.value["shop"], "cents": due.value["cents"], "reference": ctx.idempotency_key}


@app.workflow
async def settle(ctx, parts):
    *found, rate = parts
    accepted = [order for order in found if order["accepted"] and order["currency"] in rate]
    held = sorted(order["order"] for order in found if order not in accepted)
    due = {}
    for order in accepted:
        cents = order["amount"] * rate[order["currency"]] // 1000
        due[order["shop"]] = due.get(order["shop"], 0) + cents
    await ctx.sleep(0.2)  # until the bank opens
    paid = await ctx.map(pay, [{"shop": shop, "cents": cents} for shop, cents in sorted(due.items())])
    return {"paid": {payment["shop"]: payment["cents"] for payment in paid}, "held": held}


both = sg.all(checked.join(of=check_order), tables.set(["input"]))
app.workflow_function("settlement", settle, on=both)
