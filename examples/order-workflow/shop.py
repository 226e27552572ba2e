"""The functions of the order workflow: each takes one JSON document and returns another.

They know nothing of the workflow. What they raise is what its Retry and Catch name.
"""

import csv
import pathlib

with open(pathlib.Path(__file__).with_name("catalogue.csv"), newline="") as file:
    CATALOGUE = {row["sku"]: row for row in csv.DictReader(file)}


class InvalidOrder(Exception):
    """The order makes no sense."""


class CatalogueBusy(Exception):
    """Ask again."""


class OutOfStock(Exception):
    """There is less than was ordered."""


class CardDeclined(Exception):
    """The bank says no."""


def check(order):
    order = order.json()
    items = order.get("items") or []
    unknown = sorted({item["sku"] for item in items} - CATALOGUE.keys())
    if not items:
        raise InvalidOrder("nothing is ordered")
    if unknown:
        raise InvalidOrder(f"there is no {', '.join(unknown)}")
    if any(item["quantity"] < 1 for item in items):
        raise InvalidOrder("less than one is ordered")
    return order


def price(question):
    question = question.json()
    item, retries = question["item"], question["retries"]
    row = CATALOGUE[item["sku"]]
    # Rare things are looked up in a shared place, which never answers at once.
    if row["rare"] == "yes" and retries == 0:
        raise CatalogueBusy(f"{item['sku']} is being looked up")
    return {**item, "cents": int(row["cents"]) * item["quantity"]}


def reserve(order):
    for item in order.json()["items"]:
        if item["quantity"] > int(CATALOGUE[item["sku"]]["stock"]):
            raise OutOfStock(f"not enough {item['sku']}")
    return {"reserved": True}


def charge(bill):
    bill = bill.json()
    if bill["card"].endswith("0000"):
        raise CardDeclined(f"card {bill['card'][-4:]} is not covered")
    return {"charged": bill["cents"], "card": bill["card"][-4:]}


def undo(order):
    # A real shop would refund what was charged and give back what was reserved, whichever of them happened.
    return {"undone": [item["sku"] for item in order.json()["items"]]}
