"""The device "cuda": one NVIDIA GPU through CuPy. Loaded when somebody asks for it by that name."""
