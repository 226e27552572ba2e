"""Fifty clients learn to read digits together without showing any; in each round a fifth of them is of no use."""

import random
import time

import digits
import numpy as np
import plot
import sluicegate as sg
from sklearn.linear_model import LogisticRegression
from sluicegate import federated

app = sg.App("federated-learning")

#: Of gradient descent at a client.
STEPS, STEP_SIZE = 20, 1.0
#: How much of its last step the next one of the model has.
MOMENTUM = 0.8
#: The model in use is a running mean, for each round pulls the weights to its clients: how much of it stays in a round.
INERTIA = 0.8
#: No honest update has a weight of this size.
WEIGHT_MAX = 50
#: Which fraction of all clients fails, lags or sends nonsense in a round.
ILL = 0.2
LAG_SECONDS = 3


def probabilities(weights, images):
    """Softmax regression: for each image, how likely it shows which digit."""
    scores = images @ weights
    exponents = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)


def illness(client, round):
    """What is wrong with a client in a round, if anything is."""
    ill = random.Random(round).sample(digits.CLIENTS, int(ILL * len(digits.CLIENTS)))
    return ("fails", "lags", "lies")[ill.index(client) % 3] if client in ill else None


@app.function(retries=0)
def train(task: dict, ctx):
    client, round, model = task["client"], task["round"], task["model"]
    images, labels = digits.of(client)
    weights, wanted = model["weights"], np.eye(digits.CLASSES)[labels]
    for _ in range(STEPS):
        weights = weights - STEP_SIZE * images.T @ (probabilities(weights, images) - wanted) / len(images)
    ill = illness(client, round)
    if ill == "fails":
        raise OSError("the battery is empty")
    if ill == "lags":
        patience = time.monotonic() + LAG_SECONDS
        while time.monotonic() < patience and not ctx.cancelled:
            time.sleep(0.01)
    return {"weights": -100 * weights if ill == "lies" else weights, "samples": len(labels)}


def is_plausible(client, update):
    return np.abs(update["weights"]).max() < WEIGHT_MAX


@app.function()
def average(given: dict):
    """Federated averaging, with momentum."""
    model, updates = given["model"], given["updates"].values()
    mean = np.average([u["weights"] for u in updates], axis=0, weights=[u["samples"] for u in updates])
    step = MOMENTUM * model["step"] + mean - model["weights"]
    weights = model["weights"] + step
    return {"weights": weights, "step": step, "in_use": INERTIA * model["in_use"] + (1 - INERTIA) * weights}


@app.function()
def evaluate(weights: np.ndarray):
    found = probabilities(weights, digits.test_images).argmax(axis=1)
    return float((found == digits.test_labels).mean())


@app.function()
def central():
    """What comes of training on all data at once."""
    # Of the strengths of regularisation that check.py tries, this one is best.
    regression = LogisticRegression(C=10, max_iter=1000, fit_intercept=False)
    return regression.fit(digits.train_images, digits.train_labels).score(digits.test_images, digits.test_labels)


@app.workflow
async def learn(ctx, input):
    zeros = np.zeros((digits.train_images.shape[1], digits.CLASSES))
    accuracy, reports = [], []
    async for round in federated.rounds(
        ctx,
        {"weights": zeros, "step": zeros, "in_use": zeros},
        digits.CLIENTS,
        train,
        average,
        count=input["rounds"],
        per_round=30,
        threshold=0.65,
        timeout=60,
        accept=is_plausible,
        seed=input["seed"],
    ):
        accuracy.append(await ctx.call(evaluate, round.model["in_use"]))
        reports.append(round.report())
    alone = await ctx.call(central)
    await ctx.put(app.output, "weights.npy", round.model["in_use"])
    await ctx.put(app.output, "accuracy.svg", plot.svg(accuracy, alone))
    return {"accuracy": accuracy, "central": alone, "rounds": reports}
