"""Jobs over three providers while their processes are killed: is one lost, or paid twice?"""
