"""What operations compute with: plain functions of plain arrays, one module for each kind of device."""
