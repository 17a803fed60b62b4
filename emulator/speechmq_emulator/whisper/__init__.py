"""The Whisper engine: CTranslate2 runs the model, one thread a stream, all in this process.

``recogniser`` with the pure modules that it uses decides what is decoded and what is settled.
``model`` is the only module that calls the decoder. ``turns`` shares the cores.
"""
