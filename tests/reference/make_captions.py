"""Stores what the COCO caption scorers give, for test_captions.py: `python make_captions.py`.

Needs Java and `pip install pycocoevalcap`. `captions.json` holds two cases, each with its captions,
their tokens by COCO's tokeniser, and the scores: "street", twenty images with five references each,
and "ragged", of the first eight images, with one to five references and one empty caption.
"""

import json
from pathlib import Path

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

# For each image the caption to score, and what five people might have written.
STREET = """\
A man is riding a bicycle down the street.
A man rides his bike along a busy street.
A cyclist in a red helmet is riding down the street.
Man riding a bicycle through traffic
A man on a bicycle passes a row of parked cars.
Someone's riding a bike in the city, next to the cars.

Two dogs are playing with a ball in the grass.
Two dogs play tug-of-war with a blue ball.
A brown dog and a white dog are playing in the grass.
Two dogs fight over a ball on the lawn!
The dogs are running through tall grass with a ball.
A pair of dogs, one brown and one white, playing outside.

A woman is sitting on a bench.
An old woman sits on a park bench and feeds the pigeons.
A woman in a grey coat is feeding birds from a bench.
A lady on a bench throws bread to pigeons.
The woman's sitting alone; birds are all around her.
Elderly woman feeding pigeons in a park

A boy in a blue shirt is jumping into a pool.
A boy jumps into a swimming pool.
A young boy in blue trunks leaps into the water.
The boy doesn't hold his nose as he jumps into the pool.
A kid is jumping off the edge of the pool.
A child in mid-air above a swimming pool.

A group of people are standing in front of a building.
A crowd waits in front of a theatre.
People are standing in line outside a building.
A long line of people waiting to get in
A group of people wait outside of a theater in the rain.
Several people with umbrellas stand in a queue.

A cat is sleeping on a couch.
A grey cat sleeps on a couch.
A cat is curled up on the sofa.
A cat sleeping on a couch next to a laptop.
The cat's asleep on someone's jacket.
There is a cat lying on a red couch.

A train is coming into the station.
A yellow train arrives at the station.
A commuter train pulls into an empty station.
A train on the tracks next to a platform.
The train, yellow and white, stops at platform 3.
A train pulling up to a platform with nobody waiting.

A little girl is blowing out candles on a cake.
A girl blows out six candles on her birthday cake.
A little girl is blowing out the candles at her party.
Children watch a girl blow out the candles.
The birthday girl's blowing out candles on a chocolate cake.
A young girl with a paper hat leans over a cake with candles.

A man is climbing a rock.
A man climbs a steep cliff without a rope.
A rock climber hangs from an overhang.
The climber isn't wearing a helmet.
A shirtless man is climbing up the side of a rock wall.
Man climbing a rock face, high above the sea.

A bus is driving down a street in the snow.
A red double-decker bus drives through the snow.
A bus in a snow-covered street.
The bus is stuck in heavy snow.
A city bus driving down a street covered in snow.
A red bus with its lights on, on a winter evening.

A chef is cutting vegetables in a kitchen.
A chef chops onions on a wooden board.
A man in a white apron is cutting vegetables.
A cook prepares food in a restaurant kitchen.
Someone cutting up vegetables with a big knife
The chef's knife is slicing through a red onion.

Three children are playing soccer on a field.
Three kids play soccer on a muddy field.
Boys in yellow jerseys are chasing the ball.
Three children kick a soccer ball around.
A children's soccer game in the rain.
Kids are playing football on a wet pitch, and they're muddy.

A man is playing a guitar on a stage.
A man plays guitar and sings into a microphone.
A guitarist performs on stage under blue lights.
A musician with a guitar, singing on a dark stage.
The singer's playing an acoustic guitar.
A man with long hair is playing a guitar at a concert.

A white boat is on the water.
A sailboat glides across a calm lake.
A small white boat with its sails up.
A boat on the lake at sunset
Two people are sailing a boat on the water.
A white sailboat in front of the mountains.

A bird is sitting on a branch of a tree.
A small bird sits on a bare branch.
A robin is perched on the branch of a tree in winter.
A bird with a red breast on a branch.
A little bird looking at the camera from its branch.
There's a bird on a snowy branch.

A person is walking on the beach with a dog.
A man and his dog walk along the beach.
A person walks a dog on the beach at low tide.
Someone is throwing a stick for a dog on the beach.
A dog runs ahead of its owner on the sand.
Silhouettes of a man and a dog at the seaside.

A plate with a sandwich and a salad on it.
A sandwich and some salad on a white plate.
A half-eaten sandwich sits on a plate with greens.
A plate of food: a sandwich, a salad and fries.
Lunch on a plate, next to a glass of juice.
There is a toasted sandwich with a side salad on the plate.

A woman is reading a book on a train.
A woman reads a book on the subway.
A passenger by the window is reading a novel.
A woman wearing glasses is reading on the train.
Someone who's reading a book while standing in a train.
A young woman with headphones and a book, on a train.

A truck is parked on the side of the road.
An old rusty truck is parked beside a barn.
A pickup truck with no wheels sits in a field.
A rusty, abandoned truck on the side of a dirt road.
A truck that hasn't been driven in years.
Old green truck overgrown with weeds

A man in a suit is talking on a phone.
A man in a dark suit talks on his cell phone.
A businessman is walking and talking on the phone.
A man with a briefcase is on the phone.
The man's wearing a suit and a tie, and he's on his phone.
A man in a suit crosses the street while talking on a phone."""


def cases() -> dict[str, tuple[list[str], list[list[str]]]]:
    """The candidates and the references of each case."""
    images = [block.splitlines() for block in STREET.split("\n\n")]
    candidates, references = [first for first, *_ in images], [rest for _, *rest in images]
    ragged = [texts[: 1 + n % 5] for n, texts in enumerate(references[:8])]
    return {
        "street": (candidates, references),
        "ragged": ([*candidates[:3], "", *candidates[4:8]], ragged),
    }


def tokens(texts: list[list[str]]) -> dict[int, list[str]]:
    """The texts of each image as COCO tokenises them."""
    return PTBTokenizer().tokenize(
        {n: [{"caption": text} for text in image] for n, image in enumerate(texts)}
    )


def scored(candidates: list[str], references: list[list[str]]) -> dict:
    """Everything about one case."""
    written, wanted = tokens([[text] for text in candidates]), tokens(references)
    bleu, _ = Bleu(4).compute_score(wanted, written, verbose=0)
    scores = {f"bleu{n}": value for n, value in enumerate(bleu, 1)}
    for name, scorer in (("rouge_l", Rouge()), ("cider_d", Cider()), ("meteor", Meteor())):
        scores[name] = float(scorer.compute_score(wanted, written)[0])
    return {
        "candidates": candidates,
        "references": references,
        "candidate_tokens": [text for (text,) in written.values()],
        "reference_tokens": list(wanted.values()),
        "scores": scores,
    }


if __name__ == "__main__":
    stored = {name: scored(*case) for name, case in cases().items()}
    path = Path(__file__).parent / "captions.json"
    path.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
