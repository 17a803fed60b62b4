"""A web page that shows the streams of a broker while they run. It publishes nothing.

``kept``, ``reading``, ``record``, ``board``, ``watched`` and ``versions`` are a pure fold: events
in, what the page shows out. ``hub`` and ``feed`` share that out to browsers, ``web`` and
``serving`` speak HTTP, ``watching`` listens to RabbitMQ, ``command`` puts them together.
"""
